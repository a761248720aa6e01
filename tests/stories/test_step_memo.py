"""A cacheable step, with the real command: shared between conditions, from run to run, and told in the summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .story import Story

PROJECT = {
    "experiments/train/config.yaml": """
        replicates: 2
        steps:
          - tokenize
          - fit
        treatments:
          fast: {lr: 5}
          wide: {width: 3}
        """,
    "experiments/train/datasources.py": """
        from crystallize import data_source

        @data_source
        def words(ctx):
            return ["a", "bb", "ccc"]
        """,
    "experiments/train/helpers.py": """
        def length(word, width):
            return len(word) * width
        """,
    "experiments/train/steps.py": """
        from crystallize import pipeline_step
        from helpers import length

        class Tokens:
            def __init__(self, sizes):
                self.sizes = sizes

        @pipeline_step(cacheable=True)
        def tokenize(data, ctx, width=1):
            print("tokenizing")
            ctx.record("words", len(data))
            ctx.artifacts.add("words.txt", " ".join(data))
            return Tokens([length(word, width) for word in data])

        @pipeline_step()
        def fit(data, lr=1):
            assert isinstance(data, Tokens)
            return data, {"loss": sum(data.sizes) * lr}
        """,
}


def run(story: Story, *arguments: str) -> dict[str, Any]:
    done = story.command("run", "--format", "json", *arguments)
    document: dict[str, Any] = json.loads(done.stdout)
    return {**document, "tokenized": done.stderr.count("tokenizing")}


def loss(story: Story) -> dict[str, Any]:
    return {name: story.metrics("train", name)["loss"] for name in ("baseline", "fast", "wide")}


def test_a_cacheable_step_from_run_to_run(tmp_path: Path) -> None:
    story = Story(tmp_path, PROJECT)

    # The first run: baseline and fast share the tokens, so do replicates; wide reads another width.
    first = run(story)
    assert (first["tokenized"], first["ran"], first["memo_hits"]) == (2, 6, 4)
    assert [entry["memo_hits"] for entry in first["experiments"]] == [4]
    assert loss(story) == {"baseline": [6, 6], "fast": [30, 30], "wide": [18, 18]}

    # Nothing changed: nothing runs, so nothing is replayed either.
    again = run(story)
    assert (again["tokenized"], again["ran"], again["memo_hits"]) == (0, 0, 0)

    # The last step is edited: its trials run, the tokens come from memos, in another process.
    story.edit("experiments/train/steps.py", "* lr}", "* lr + 1}")
    edited = story.command("run")
    assert "ran 6, reused 0, failed 0, blocked 0" in edited.stdout
    assert "6 steps from memos" in edited.stdout
    assert "tokenizing" not in edited.stdout + edited.stderr
    assert loss(story) == {"baseline": [7, 7], "fast": [31, 31], "wide": [19, 19]}
    artifact = tmp_path / "data/train/v0/replicate_1/fast/TokenizeStep/words.txt"
    assert artifact.read_text(encoding="utf-8") == "a bb ccc"

    # A helper of the tokenizer is edited: it runs again.
    story.edit("experiments/train/helpers.py", "* width", "* width * 2")
    helper = run(story)
    assert (helper["tokenized"], helper["memo_hits"]) == (2, 4)
    assert loss(story) == {"baseline": [13, 13], "fast": [61, 61], "wide": [37, 37]}

    # And edited back, together with the last step, so that the trials run: the first memos serve.
    story.edit("experiments/train/helpers.py", "* width * 2", "* width")
    story.edit("experiments/train/steps.py", "* lr + 1}", "* lr + 2}")
    back = run(story)
    assert (back["tokenized"], back["ran"], back["memo_hits"]) == (0, 6, 6)

    # A rerun trusts nothing that earlier runs left, and shares within itself.
    forced = run(story, "--strategy", "rerun")
    assert (forced["tokenized"], forced["ran"], forced["memo_hits"]) == (2, 6, 4)


def test_a_file_that_a_cacheable_step_reads(tmp_path: Path) -> None:
    story = Story(tmp_path, PROJECT)
    story.write("stop.txt", "bb")
    story.edit(
        "experiments/train/steps.py", "for word in data]", "for word in data if word not in open('stop.txt').read()]"
    )
    assert run(story)["memo_hits"] == 4
    assert loss(story) == {"baseline": [4, 4], "fast": [20, 20], "wide": [12, 12]}

    # The memo is replayed in trials of an edited last step, and the file still counts for these.
    story.edit("experiments/train/steps.py", "* lr}", "* lr + 1}")
    assert run(story)["memo_hits"] == 6
    story.write("stop.txt", "ccc")
    changed = run(story)

    assert (changed["ran"], changed["tokenized"], changed["memo_hits"]) == (6, 2, 4)
    assert loss(story) == {"baseline": [4, 4], "fast": [16, 16], "wide": [10, 10]}
