"""A datasource over the network: fetched anew in every run, and a trial runs only when it was given something else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .story import Story

FILES = {
    "experiments/report/config.yaml": """
        datasource: {rows: rows}
        replicates: 2
        steps: [count]
        treatments:
          double: {factor: 2}
        """,
    "experiments/report/datasources.py": """
        import os
        import signal
        import urllib.request

        from crystallize import data_source

        from prices import Price

        @data_source(volatile=True)
        def rows(ctx):
            url = f"http://localhost:{os.environ['SHOP_PORT']}/{ctx['condition']}/{ctx['replicate']}"
            with urllib.request.urlopen(url) as answer:
                words = answer.read().decode().split()
            if "KILL" in words:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"words": set(words), "price": Price(len(words))}
        """,
    "experiments/report/prices.py": """
        class Price:
            def __init__(self, amount):
                self.amount = amount

            def told(self):
                return self.amount
        """,
    "experiments/report/steps.py": """
        import os
        import signal

        from crystallize import pipeline_step

        @pipeline_step()
        def count(data, ctx, factor: int = 1):
            if os.path.exists(f"kill-{ctx['condition']}-{ctx['replicate']}"):
                os.kill(os.getpid(), signal.SIGKILL)
            return data, {"count": len(data["words"]) * factor, "price": data["price"].told()}
        """,
    "experiments/digest/config.yaml": """
        datasource: {counts: report#counts}
        steps: [digest]
        """,
    "experiments/digest/steps.py": """
        from crystallize import pipeline_step

        @pipeline_step()
        def digest(data):
            return data, {"size": len(data["counts"])}
        """,
}
TRIALS = [f"report/{condition}/{replicate}" for replicate in range(2) for condition in ("baseline", "double")]


class Shop:
    """A server outside of the project."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        """Path → what it answers; other paths: what everybody gets."""
        self.everybody = "apple banana cherry damson elder fig grape"
        self.asked: list[str] = []


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            answer = shop.answers.get(self.path, shop.everybody)
            self.send_response(500 if answer == "BROKEN" else 200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    os.environ["SHOP_PORT"] = str(server.server_port)
    yield shop
    del os.environ["SHOP_PORT"]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path, {path: text for path, text in FILES.items() if "digest" not in path})


def test_a_run_fetches_anew_and_reuses_what_was_given_the_same(story: Story, shop: Shop) -> None:
    first = story.run()
    shop.asked.clear()
    done = json.loads(story.command("run", "--format", "json").stdout)

    assert list(first) == TRIALS
    assert (done["ran"], done["reused"], done["fetched"]) == (0, 4, 4)
    assert len(shop.asked) == 4
    assert done["experiments"][0]["notices"] == ["rows: the contents are those of run 1"]
    text = story.command("run").stdout
    assert "report  2 replicates · ran 0 · reused 4 · fetched 4" in text
    assert text.splitlines()[-1].endswith(", fetched 4")


def test_exactly_the_trial_that_was_given_something_else_runs(story: Story, shop: Shop) -> None:
    story.run()
    shop.answers["/double/1"] = "apple banana"

    ran = story.run()

    assert ran == {"report/double/1": "input.data: other contents"}
    assert story.metrics("report", "double")["count"] == [14, 4]
    assert story.run() == {}
    del shop.answers["/double/1"]
    assert story.run() == {}
    assert story.metrics("report", "double")["count"] == [14, 14]


def test_a_dry_run_fetches_nothing_and_leaves_it_undecided(story: Story, shop: Shop) -> None:
    story.run()
    shop.asked.clear()

    foreseen = story.foresee()
    explained = story.command("explain", "report").stdout

    assert foreseen == dict.fromkeys(TRIALS, "undecided")
    assert "4 trials undecided: waits for fetch of report (volatile: rows)" in explained
    assert shop.asked == []


def test_what_reads_the_experiment_waits_for_the_fetch_too(story: Story, shop: Shop) -> None:
    for path, text in FILES.items():
        story.write(path, text)
    story.write(
        "experiments/report/steps.py",
        """
        from crystallize import Artifact, pipeline_step

        @pipeline_step()
        def count(data, counts: Artifact, factor: int = 1):
            counts.write(b"x" * factor * len(data["words"]))
            return data
        """,
    )
    story.edit("experiments/report/config.yaml", "replicates: 2", "outputs: {counts: {file_name: counts.bin}}")
    story.run()

    foreseen = story.foresee()
    explained = story.command("explain", "digest").stdout
    shop.answers["/double/0"] = "apple pear cherry damson elder fig grape"

    assert foreseen["digest/double/0"] == "undecided"
    assert "waits for fetch of report (volatile: rows)" in explained
    assert list(story.run()) == ["report/double/0"]
    shop.answers["/double/0"] = "apple"
    shop.answers["/baseline/0"] = "BROKEN"
    ran = json.loads(story.command("run", "--format", "json", code=1).stdout)
    states = {job["label"]: job["state"] for job in ran["jobs"]}
    assert states["report/baseline/0"] == "failed"
    assert states["digest/baseline/0"] == "blocked"
    assert states["digest/double/0"] == "ran"


def test_a_failing_fetch_fails_its_trial_with_the_user_s_traceback(story: Story, shop: Shop) -> None:
    story.run()
    shop.answers["/baseline/1"] = "BROKEN"

    done = story.command("run", code=1)

    assert "failed: baseline, replicate 1" in done.stdout
    assert "datasources.py" in done.stdout
    assert "HTTPError: HTTP Error 500" in done.stdout
    assert "ran 0, reused 3, failed 1, blocked 0" in done.stdout
    shop.answers.clear()
    assert story.run() == {}


def test_a_rerun_runs_everything_and_says_what_resume_would_have_reused(story: Story, shop: Shop) -> None:
    story.run()

    done = story.command("run", "--strategy", "rerun").stdout

    assert "ran 4, reused 0" in done
    assert "resume would have reused 4 of 4 trials" in done


def test_a_run_that_is_killed_while_it_fetches_goes_on_from_there(story: Story, shop: Shop) -> None:
    shop.answers["/double/1"] = "KILL"
    story.command("run", code=-9)
    shop.answers.clear()

    assert set(story.run()) <= set(TRIALS)
    assert story.metrics("report", "double")["count"] == [14, 14]
    assert story.run() == {}


def test_a_run_that_is_killed_in_a_trial_repeats_only_what_was_not_recorded(story: Story, shop: Shop) -> None:
    flag = story.folder / "kill-double-1"
    flag.touch()
    story.command("run", code=-9)
    flag.unlink()

    ran = story.run()

    assert "report/double/1" in ran
    assert story.run() == {}


def test_the_class_of_what_was_fetched_counts_by_its_code(story: Story, shop: Shop) -> None:
    story.run()
    story.edit("experiments/report/prices.py", "return self.amount", "return self.amount + 1")

    assert list(story.run()) == TRIALS
    assert story.metrics("report")["price"] == [8, 8]


def test_the_code_of_the_source_counts_by_what_it_fetches(story: Story, shop: Shop) -> None:
    story.run()
    story.edit("experiments/report/datasources.py", '"KILL" in words', '"STOP" in words')

    assert story.run() == {}


def test_an_experiment_that_fetches_is_not_called_one_that_always_runs(story: Story, shop: Shop) -> None:
    first = json.loads(story.command("run", "--format", "json").stdout)
    for _ in range(2):
        story.run()

    found = json.loads(story.command("stats", "--format", "json").stdout)
    held = json.loads(story.command("store", "status", "--format", "json").stdout)

    assert found["never_reused"] == []
    assert [cause["why"] for cause in found["causes"]] == []
    assert [(each["ran"], each["reused"]) for each in found["experiments"]] == [(4, 8)]
    assert found["experiments"][0]["seconds"] > sum(job["seconds"] for job in first["jobs"])
    assert [each["trials"] for each in held["experiments"]] == [4]


def test_a_pinned_experiment_fetches_nothing(story: Story, shop: Shop) -> None:
    story.run()
    shop.everybody = "apple"
    story.run()
    shop.asked.clear()

    done = json.loads(story.command("run", "--pin", "report=1", "--format", "json").stdout)

    assert (done["reused"], done["fetched"], shop.asked) == (4, 0, [])
    assert story.metrics("report")["count"] == [7, 7]


def test_an_audit_takes_what_was_fetched_last_and_fetches_nothing(story: Story, shop: Shop) -> None:
    story.run()
    shop.asked.clear()

    done = story.command("audit", "--all").stdout

    assert "audited 4 of 4" in done
    assert shop.asked == []


def test_worker_processes_fetch_as_well(story: Story, shop: Shop) -> None:
    first = story.run("-j", "2")

    assert set(first) == set(TRIALS)
    assert story.run("-j", "2") == {}
    assert story.run() == {}


def test_forgetting_an_experiment_forgets_what_was_fetched(story: Story, shop: Shop) -> None:
    story.run()

    story.command("store", "forget", "report")

    held = json.loads(story.command("store", "status", "--format", "json").stdout)
    assert (held["records"], held["experiments"]) == (0, [])
