"""First run, nothing changed, one thing changed: the real command re-runs exactly what it must."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .story import TUTORIAL, Story

PRODUCER, CONSUMER = "producer/baseline/0", "consumer/baseline/0"


@pytest.fixture
def tutorial(tmp_path: Path) -> Story:
    story = Story(tmp_path / "project", TUTORIAL)
    story.run("consumer")
    return story


@pytest.mark.contract("6.20")
def test_the_tutorial_as_printed_gives_six_and_a_second_run_executes_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)

    first = story.run("consumer")
    second = story.run("consumer")

    assert first == {PRODUCER: "first run", CONSUMER: "first run"}
    assert second == {}
    assert story.metrics("consumer") == {"total_from_producer": [6]}
    assert (tmp_path / "data/producer/v0/replicate_0/baseline/Produce_SummaryStep/summary.json").exists()


def test_comments_docstrings_and_layout_do_not_count(tutorial: Story) -> None:
    tutorial.edit("experiments/consumer/steps.py", "# already a dict thanks to load_json", "")
    tutorial.edit("experiments/consumer/steps.py", "total = summary", '"""What it is."""\n    total   =  summary')
    tutorial.edit(
        "experiments/producer/steps.py",
        "import pipeline_step, Artifact",
        "import (\n    Artifact,\n    pipeline_step,\n)",
    )

    assert tutorial.run("consumer") == {}


def test_a_renamed_folder_and_a_moved_checkout_re_run_nothing(tutorial: Story) -> None:
    shutil.move(tutorial.folder / "experiments/producer", tutorial.folder / "experiments/renamed")
    renamed = tutorial.run("consumer")
    shutil.move(tutorial.folder, tutorial.folder.parent / "moved")
    tutorial.folder = tutorial.folder.parent / "moved"

    assert renamed == {}
    assert tutorial.run("consumer") == {}


@pytest.mark.contract("6.1", "6.3")
def test_an_edited_step_re_runs_it_and_what_reads_changed_bytes(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/steps.py", "sum(data", "1 + sum(data")

    assert tutorial.run("consumer") == {
        PRODUCER: "code of steps.produce_summary changed",
        CONSUMER: "input.producer_summary: other contents",
    }
    assert tutorial.metrics("consumer") == {"total_from_producer": [7]}


@pytest.mark.contract("6.26")
def test_an_upstream_re_run_with_equal_bytes_stops_there(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/steps.py", "sum(data", "0 + sum(data")

    assert list(tutorial.run("consumer")) == [PRODUCER]


def test_an_edited_loader_re_runs_the_consumer_and_not_the_producer(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/outputs.py", "path.read_text()", "path.read_bytes()")

    assert tutorial.run("consumer") == {CONSUMER: "code of outputs.load_json changed"}


def test_an_edited_datasource_re_runs_its_experiment(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/datasources.py", "[1, 2, 3]", "[1, 2, 4]")

    assert list(tutorial.run("consumer")) == [PRODUCER, CONSUMER]


def test_going_back_reuses_the_earlier_results_and_shows_them(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/datasources.py", "[1, 2, 3]", "[1, 2, 4]")
    tutorial.run("consumer")
    tutorial.edit("experiments/producer/datasources.py", "[1, 2, 4]", "[1, 2, 3]")

    assert tutorial.run("consumer") == {}
    assert tutorial.metrics("consumer") == {"total_from_producer": [6]}


def test_explain_names_the_definition_and_shows_the_difference(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/steps.py", "sum(data", "1 + sum(data")

    told = tutorial.command("explain", "producer").stdout

    assert "code of steps.produce_summary changed" in told
    assert '-    summary.write({"total": sum(data["numbers"])})' in told
    assert '+    summary.write({"total": 1 + sum(data["numbers"])})' in told


def test_a_dry_run_comes_true(tutorial: Story) -> None:
    tutorial.edit("experiments/producer/steps.py", "sum(data", "1 + sum(data")

    assert tutorial.foresee("consumer") == {PRODUCER: "run", CONSUMER: "undecided"}
    tutorial.run("consumer")
    assert tutorial.foresee("consumer") == {PRODUCER: "reuse", CONSUMER: "reuse"}


HELPERS = {
    "library/lib_pkg/__init__.py": "from .maths import scale\n",
    "library/lib_pkg/maths.py": """
        from .constants import FACTOR

        def scale(x):
            return x * FACTOR

        def unused(x):
            return x
        """,
    "library/lib_pkg/constants.py": "FACTOR = 2\nOTHER = 3\n",
    "experiments/uses/config.yaml": "steps: [double]\nreplicates: 2\ntreatments:\n  high: {bias: 10}\n",
    "experiments/uses/datasources.py": """
        from crystallize import data_source

        @data_source
        def one():
            return 1
        """,
    "experiments/uses/steps.py": """
        from crystallize import pipeline_step
        from helpers import through

        @pipeline_step()
        def double(data, *, bias=0):
            return data, {"value": through(data) + bias}
        """,
    "experiments/uses/helpers.py": """
        from lib_pkg import scale

        def through(x):
            return scale(x)
        """,
    "experiments/apart/config.yaml": "steps: [same]\n",
    "experiments/apart/datasources.py": """
        from crystallize import data_source

        @data_source
        def one():
            return 1
        """,
    "experiments/apart/steps.py": """
        from crystallize import pipeline_step

        @pipeline_step
        def same(data):
            return data, {"value": data}
        """,
}


@pytest.fixture
def helped(tmp_path: Path) -> Story:
    """Two experiments; one reaches a helper two modules away, in a package that lies where an editable install does."""
    story = Story(tmp_path / "project", HELPERS)
    story.environ["PYTHONPATH"] = str(story.folder / "library")
    story.run()
    return story


USES = {f"uses/{condition}/{replicate}" for condition in ("baseline", "high") for replicate in (0, 1)}


@pytest.mark.contract("6.26")
def test_a_helper_two_modules_away_re_runs_exactly_its_users(helped: Story) -> None:
    helped.edit("library/lib_pkg/constants.py", "FACTOR = 2", "FACTOR = 5")

    ran = helped.run()

    assert ran.keys() == USES
    assert set(ran.values()) == {"code of constants.FACTOR changed"}
    assert helped.metrics("uses") == {"value": [5, 5]}


def test_what_no_step_reaches_does_not_count(helped: Story) -> None:
    helped.edit("library/lib_pkg/constants.py", "OTHER = 3", "OTHER = 4")
    helped.edit("library/lib_pkg/maths.py", "def unused(x):\n    return x", "def unused(x):\n    return -x")

    assert helped.run() == {}


@pytest.mark.contract("6.2")
def test_an_edited_treatment_re_runs_its_condition_only(helped: Story) -> None:
    helped.edit("experiments/uses/config.yaml", "bias: 10", "bias: 11")

    assert helped.run() == {
        "uses/high/0": "context.bias: 10 → 11",
        "uses/high/1": "context.bias: 10 → 11",
    }


def test_an_added_replicate_and_an_added_treatment_run_only_what_is_new(helped: Story) -> None:
    helped.edit("experiments/uses/config.yaml", "replicates: 2", "replicates: 3")
    replicates = helped.run()
    helped.edit("experiments/uses/config.yaml", "high: {bias: 10}", "high: {bias: 10}\n  low: {bias: -1}")

    assert replicates.keys() == {"uses/baseline/2", "uses/high/2"}
    assert helped.run().keys() == {"uses/low/0", "uses/low/1", "uses/low/2"}


def test_a_parameter_set_on_the_command_line_counts_like_an_edit(helped: Story) -> None:
    assert helped.run("uses", "--set", "uses.steps.double.bias=3").keys() == USES
    assert helped.run("uses", "--set", "uses.treatments.high.bias=3").keys() == {"uses/high/0", "uses/high/1"}
    assert helped.run("uses") == {}


def test_a_broken_config_is_reported_and_matters_to_nobody_else(helped: Story) -> None:
    helped.write("experiments/broken/config.yaml", "steps: [a]\nreplicats: 2\n")

    done = helped.command("run", code=1)

    assert "broken/config.yaml:2" in done.stdout + done.stderr
    assert "replicates" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert helped.run("uses") == {}


def test_a_failing_step_shows_the_users_traceback_and_blocks_only_what_reads_it(tutorial: Story) -> None:
    for path, text in HELPERS.items():
        if path.startswith("experiments/apart"):
            tutorial.write(path, text)
    tutorial.edit("experiments/producer/steps.py", "sum(data", "1 // 0 + sum(data")

    done = tutorial.command("run", code=1)

    assert "ZeroDivisionError" in done.stdout + done.stderr
    assert "steps.py" in done.stdout + done.stderr
    assert "crystallize/engine" not in done.stdout + done.stderr
    assert not (tutorial.folder / "data/producer/v0/baseline/.crystallize_complete").exists()
    assert (tutorial.folder / "data/apart/v0/baseline/.crystallize_complete").exists()


KNOWS_WHERE_IT_LIES = """
from pathlib import Path

from crystallize import data_source


@data_source
def numbers(ctx):
    return int((Path(__file__).parent / "number.txt").read_text())
"""


def test_equal_code_in_two_folders_reads_what_lies_beside_it(helped: Story) -> None:
    # A record may say all the truth about one folder and nothing about the other.
    helped.write("experiments/apart/datasources.py", KNOWS_WHERE_IT_LIES)
    helped.write("experiments/apart/number.txt", "1")
    shutil.copytree(helped.folder / "experiments/apart", helped.folder / "experiments/twin")
    helped.write("experiments/twin/number.txt", "2")
    helped.run("apart")

    assert list(helped.run("twin")) == ["twin/baseline/0"]
    assert (helped.metrics("apart"), helped.metrics("twin")) == ({"value": [1]}, {"value": [2]})


def test_a_folder_that_knows_where_it_lies_runs_again_once_renamed(helped: Story) -> None:
    helped.write("experiments/apart/datasources.py", KNOWS_WHERE_IT_LIES)
    helped.write("experiments/apart/number.txt", "1")
    helped.edit("experiments/apart/config.yaml", "steps:", "name: apart\nsteps:")
    helped.run("apart")
    shutil.move(helped.folder / "experiments/apart", helped.folder / "experiments/elsewhere")

    assert list(helped.run("apart")) == ["apart/baseline/0"]
    assert helped.run("apart") == {}
