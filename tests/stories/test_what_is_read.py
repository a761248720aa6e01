"""Undeclared reads count: what a trial opened, listed or unpickled decides whether its result serves again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from .story import Story

READER = "reader/baseline/0"

READS: dict[str, str] = {
    "open": "with open('table.csv') as file: return file.read()",
    "os.open": "import os; handle = os.open('table.csv', os.O_RDONLY); return os.read(handle, 99).decode()",
    "io": "import io; return io.open('table.csv', 'rb').read().decode()",
    "pathlib": "from pathlib import Path; return Path('table.csv').read_text()",
    "absolute": "from pathlib import Path; return Path('table.csv').resolve().read_text()",
    "numpy": "import numpy; return str(numpy.loadtxt('table.csv'))",
    "pandas": "import pandas; return pandas.read_csv('table.csv').to_csv()",
    "glob": "import glob; return ''.join(open(name).read() for name in glob.glob('*.csv'))",
    "a thread": "return in_thread(lambda: open('table.csv').read())",
    "named": "name = 'table.csv'; return ''",
}


def project(folder: Path, fetch: str, step: str = "", **files: str) -> Story:
    """One experiment; `fetch` and `step` are bodies of functions."""
    story = Story(folder)
    story.write("experiments/reader/config.yaml", "steps: [look]\n")
    story.write(
        "experiments/reader/datasources.py",
        f"""
        from threading import Thread
        from crystallize import data_source

        def in_thread(work):
            found = []
            thread = Thread(target=lambda: found.append(work()))
            thread.start()
            thread.join()
            return found[0]

        @data_source
        def fetch(ctx):
            {fetch or "return ''"}
        """,
    )
    story.write(
        "experiments/reader/steps.py",
        f"""
        from crystallize import pipeline_step

        @pipeline_step()
        def look(data, ctx):
            {step}
            return data, {{"length": len(data)}}
        """,
    )
    story.write("table.csv", "1\n2\n")
    for path, text in files.items():
        story.write(path, text)
    return story


@pytest.mark.parametrize("how", READS)
def test_a_changed_file_runs_the_trial_again_whoever_opened_it(tmp_path: Path, how: str) -> None:
    story = project(tmp_path, READS[how])
    story.run()
    unchanged = story.run()
    story.write("table.csv", "1\n3\n")
    foreseen = story.foresee()

    assert unchanged == {}
    assert foreseen == {READER: "run"}
    assert story.run() == {READER: "table.csv: read by the last run, changed since"}
    assert story.run() == {}


def test_a_read_in_a_step_counts_and_the_old_contents_bring_the_old_result_back(tmp_path: Path) -> None:
    story = project(tmp_path, "", "data = open('table.csv').read()")
    story.run()
    story.write("table.csv", "100\n200\n")
    story.run()
    story.write("table.csv", "1\n2\n")

    assert story.run() == {}
    assert story.metrics("reader") == {"length": [4]}


def test_a_file_that_appears_or_disappears_counts(tmp_path: Path) -> None:
    story = project(tmp_path, "try: return open('extra.csv').read()\n            except OSError: return ''")
    story.run()
    story.write("extra.csv", "5\n")
    appeared = story.run()
    (tmp_path / "extra.csv").unlink()
    gone_again = story.run()
    story.write("extra.csv", "6\n")

    assert appeared == {READER: "extra.csv: looked for by the last run, there since"}
    assert gone_again == {}
    assert list(story.run()) == [READER]


def test_a_file_replaced_by_one_of_equal_size_and_time_counts(tmp_path: Path) -> None:
    story = project(tmp_path, READS["open"])
    os.utime(tmp_path / "table.csv", (1e9, 1e9))
    story.run()
    story.write("other.csv", "8\n9\n")
    shutil.copystat(tmp_path / "table.csv", tmp_path / "other.csv")
    (tmp_path / "other.csv").replace(tmp_path / "table.csv")

    assert list(story.run()) == [READER]


@pytest.mark.parametrize(
    "listing",
    [
        "import os; return str(sorted(os.listdir('pictures')))",
        "from pathlib import Path; return str(sorted(Path('pictures').iterdir()))",
        "from pathlib import Path; return str(sorted(Path('pictures').glob('*.png')))",
        "import glob; return str(sorted(glob.glob('pictures/*.png')))",
        "import os; return str(sorted(list(os.walk('pictures'))))",
    ],
)
def test_a_listing_that_fed_a_datasource_counts(tmp_path: Path, listing: str) -> None:
    story = project(tmp_path, listing)
    story.write("pictures/a.png", "a")
    story.run()
    story.write("pictures/a.png", "another picture")
    edited = story.run()
    story.write("pictures/b.png", "b")

    assert edited == {}
    assert list(story.run()) == [READER]


def test_a_glob_counts_by_what_it_matches(tmp_path: Path) -> None:
    story = project(tmp_path, "from pathlib import Path; return str(sorted(Path('pictures').glob('*.png')))")
    story.write("pictures/a.png", "a")
    story.run()
    story.write("pictures/notes.txt", "a")

    assert story.run() == {}


def test_a_file_read_and_written_by_one_trial_runs_it_every_time_and_is_named(tmp_path: Path) -> None:
    story = project(tmp_path, "", "text = open('table.csv').read(); open('table.csv', 'w').write(text + 'x')")
    first = story.command("run")
    again = story.run()

    assert "table.csv: read and written by the same trial; leave it out with ignore: ['table.csv']" in first.stdout
    assert "table.csv: read and written" in again[READER]


def test_what_is_ignored_does_not_count(tmp_path: Path) -> None:
    story = project(tmp_path, "", "text = open('table.csv').read(); open('table.csv', 'w').write(text + 'x')")
    story.write("experiments/reader/config.yaml", "steps: [look]\nignore: ['*.csv']\n")
    story.run()

    assert story.run() == {}


def test_what_the_trial_wrote_before_does_not_count(tmp_path: Path) -> None:
    story = project(tmp_path, "", "open('mine.txt', 'w').write('x'); data = open('mine.txt').read()")
    story.run()
    story.write("mine.txt", "changed by hand")

    assert story.run() == {}


def test_own_outputs_temporary_files_and_the_system_are_left_out(tmp_path: Path) -> None:
    story = project(
        tmp_path,
        """
            import tempfile, getpass, colorsys
            from pathlib import Path
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, 'a').write_text('a')
                Path('/etc/hostname').exists() and Path('/etc/hostname').read_text()
                return Path(folder, 'a').read_text()
        """.strip(),
    )
    story.environ["TMPDIR"] = str(tmp_path.parent)
    story.run()

    assert story.run() == {}


def test_a_read_at_import_counts_for_every_trial(tmp_path: Path) -> None:
    story = project(tmp_path, "", "")
    story.edit(
        "experiments/reader/steps.py",
        "@pipeline_step()",
        "SIZE = len(open('table.csv').read()) > 1\n\n@pipeline_step()",
    )
    story.edit("experiments/reader/steps.py", "return data, {", "return data, {'size': SIZE, ")
    story.write("experiments/reader/config.yaml", "steps: [look]\nreplicates: 2\n")
    story.run()
    story.write("table.csv", "1\n3\n")

    assert len(story.run()) == 2
    assert story.run() == {}


def test_a_cached_loader_counts_for_the_trials_that_did_not_read(tmp_path: Path) -> None:
    story = project(tmp_path, "return load()")
    story.edit(
        "experiments/reader/datasources.py",
        "@data_source",
        "import functools\n\n@functools.cache\ndef load():\n    return open('table.csv').read()\n\n@data_source",
    )
    story.write("experiments/reader/config.yaml", "steps: [look]\nreplicates: 3\n")
    story.run()
    story.write("table.csv", "1\n3\n")

    assert len(story.run()) == 3
    assert story.run() == {}


def test_an_edited_method_of_an_unpickled_class_counts(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.write("model.py", "class Model:\n    def predict(self):\n        return 1\n")
    story.write("experiments/fit/config.yaml", "outputs: {model: {writer: dump, loader: load}}\nsteps: [train]\n")
    story.write(
        "experiments/fit/datasources.py",
        "from crystallize import data_source\n\n@data_source\ndef none(ctx):\n    return 0\n",
    )
    story.write(
        "experiments/fit/outputs.py",
        """
        import pickle

        def dump(model):
            return pickle.dumps(model)

        def load(path):
            return pickle.loads(path.read_bytes())
        """,
    )
    story.write(
        "experiments/fit/steps.py",
        """
        from crystallize import Artifact, pipeline_step
        from model import Model

        @pipeline_step()
        def train(data, *, model: Artifact):
            model.write(Model())
            return data
        """,
    )
    story.write("experiments/use/config.yaml", "datasource: {model: fit#model}\nsteps: [apply]\n")
    story.write(
        "experiments/use/steps.py",
        """
        from crystallize import pipeline_step

        @pipeline_step()
        def apply(data):
            return data, {"answer": data["model"].predict()}
        """,
    )
    story.run()
    unchanged = story.run()
    story.edit("model.py", "return 1", "return 2")

    assert unchanged == {}
    assert story.run()["use/baseline/0"] == "code of model.Model, unpickled by the last run, changed since"
    assert story.metrics("use") == {"answer": [2]}
    assert story.run() == {}


def test_observing_can_be_switched_off(tmp_path: Path) -> None:
    story = project(tmp_path, READS["open"])
    story.write("crystallize.toml", "observe = false\n")
    story.run()
    story.write("table.csv", "1\n3\n")
    unseen = story.run()
    told = story.command("explain", "reader").stdout

    assert unseen == {}
    assert "read: table.csv" not in told
    assert "observe = false" in told


def test_explain_lists_what_was_read_and_what_may_have_been(tmp_path: Path) -> None:
    story = project(tmp_path, READS["open"], "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])")
    story.run()

    told = story.command("explain", "reader").stdout

    assert "read: table.csv" in told
    assert "may read more: what child processes read is not seen; declare it with reads=" in told


def test_a_reader_that_python_does_not_see_is_pointed_out(tmp_path: Path) -> None:
    story = project(tmp_path, "import polars; return str(polars.read_csv('table.csv'))")
    story.run()
    told = story.command("explain", "reader").stdout
    story.write("table.csv", "1\n3\n")

    assert "what polars reads is not seen" in told
    assert list(story.run()) == [READER]


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no RAM disk is mounted here")
def test_a_project_on_a_ram_disk_is_watched_like_any_other() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        story = project(Path(folder) / "project", READS["open"])
        story.write("table.csv", "1\n")
        story.run()
        story.write("table.csv", "12\n")

        assert story.run() == {READER: "table.csv: read by the last run, changed since"}


@pytest.mark.parametrize(
    "how",
    [
        "return open('table.csv').read()",
        "import os; return ' '.join(sorted(os.listdir()))",
        "import glob; return ' '.join(sorted(glob.glob('*')))",
        "from pathlib import Path; return ' '.join(sorted(map(str, Path('.').glob('*'))))",
        "import os, sqlite3; sqlite3.connect('file:table.csv?mode=ro', uri=True).close(); "
        "return ' ' * os.stat('table.csv').st_size",
    ],
)
def test_a_relative_path_rests_on_the_working_directory(tmp_path: Path, how: str) -> None:
    story = project(tmp_path, how, **{"below/table.csv": "1\n2\n3\n"})
    story.run()
    here = story.metrics("reader")

    story.below = "below"
    moved, again = story.run(), story.run()

    assert moved == {READER: "the working directory: the last run read relative paths from another one"}
    assert again == {}
    assert story.metrics("reader") != here


def test_without_relative_paths_the_working_directory_does_not_count(tmp_path: Path) -> None:
    from_root = f"return open({str(tmp_path / 'table.csv')!r}).read()"
    story = project(tmp_path, from_root, **{"below/table.csv": "1\n2\n3\n"})
    story.run()

    story.below = "below"

    assert story.run() == {}


LATE = "import late; data = data * late.TIMES"


def test_a_module_edited_during_the_run_before_it_is_imported_makes_no_reusable_result(tmp_path: Path) -> None:
    save = "from pathlib import Path; Path(__file__).parents[2].joinpath('late.py').write_text('TIMES = 2'); return 'x'"
    story = project(tmp_path, save, LATE, **{"late.py": "TIMES = 1"})
    first = story.command("run", "reader")
    edited = story.metrics("reader")

    story.write("late.py", "TIMES = 1")

    assert edited == {"length": [2]}
    assert "late: edited during the run, before it was imported" in first.stdout
    assert "late: edited during the run" in story.run()[READER]


def test_a_module_that_only_running_code_imports_is_reused_while_nobody_edits_it(tmp_path: Path) -> None:
    story = project(tmp_path, "return 'x'", LATE, **{"late.py": "TIMES = 1"})
    story.run()
    unchanged = story.run()

    story.write("late.py", "TIMES = 3")

    assert (unchanged, story.run()) == ({}, {READER: "code of late.TIMES changed"})
    assert story.metrics("reader") == {"length": [3]}


def test_a_late_module_is_never_run_as_python_cached_it_before_an_edit_within_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    story = project(tmp_path, "return 'x'", LATE, **{"late.py": "TIMES = 1"})
    story.run()
    before = (tmp_path / "late.py").stat()
    assert list(tmp_path.glob("__pycache__/late.*.pyc"))

    story.write("late.py", "TIMES = 3")
    os.utime(tmp_path / "late.py", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert story.run() == {READER: "code of late.TIMES changed"}
    assert story.metrics("reader") == {"length": [3]}
