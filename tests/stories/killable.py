"""A project of two chained experiments that notes every trial it executes, and what its view must look like.

What a trial of ``make`` yields depends on the file ``dice``, which counts as no input: so each file of the view tells
in which run it was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from crystallize.experiment.objects.legacy_cache import compute_hash

from .story import Story

CONDITIONS = ("baseline", "a", "b", "c", "d")
LARGE_WORDS = 4000
"""So that the artifact is larger than what the database holds itself."""
MARKER = ".crystallize_complete"

_SIGNATURES = {
    "make": "BeginStep{}|MakeStep{'small': Artifact('small'), 'large': Artifact('large')}",
    "read": "ReadStep{'copy': Artifact('copy')}",
}
"""What the pipelines of the two are identified by."""

Tree = dict[str, bytes]
"""Path below the folder of results → contents."""

_FILES = {
    "experiments/make/config.yaml": """
        replicates: 6
        ignore: [trials.log, dice]
        outputs:
          small: {writer: text}
          large: {writer: text}
        steps: [begin, make]
        treatments:
          a: {shift: 1}
          b: {shift: 2}
          c: {shift: 3}
          d: {shift: 4}
        """,
    "experiments/make/datasources.py": """
        from crystallize import data_source

        @data_source
        def ten():
            return 10
        """,
    "experiments/make/outputs.py": """
        def text(value):
            return str(value)
        """,
    "experiments/make/steps.py": """
        from pathlib import Path

        from crystallize import Artifact, pipeline_step
        from noting import note

        @pipeline_step(cacheable=True)
        def begin(data):
            return data + 1

        @pipeline_step()
        def make(data, ctx, *, shift=0, small: Artifact, large: Artifact):
            note("make", ctx)
            dice = int(Path("dice").read_text())
            value = f"{data + shift} {ctx['replicate']} {dice}"
            small.write(value)
            large.write(f"{value} " * LARGE_WORDS)
            return data, {"dice": dice, "shift": shift}
        """.replace("LARGE_WORDS", str(LARGE_WORDS)),
    "experiments/read/config.yaml": """
        ignore: [trials.log]
        datasource:
          small: make#small
          large: make#large
        outputs:
          copy: {writer: text}
        steps: [read]
        """,
    "experiments/read/outputs.py": """
        def text(value):
            return str(value)
        """,
    "experiments/read/steps.py": """
        from crystallize import Artifact, pipeline_step
        from noting import note

        @pipeline_step()
        def read(data, ctx, *, copy: Artifact):
            note("read", ctx)
            small, large = (data[port].decode() for port in ("small", "large"))
            assert large == f"{small} " * LARGE_WORDS
            copy.write(f"read {small}")
            return small, {"dice": int(small.split()[-1])}
        """.replace("LARGE_WORDS", str(LARGE_WORDS)),
    "noting.py": """
        import os
        import time

        def note(experiment, ctx):
            line = f"{experiment}/{ctx['condition']}/{ctx['replicate']}\\n"
            log = os.open("trials.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(log, line.encode())
            os.close(log)
            if experiment == "make":
                time.sleep(0.0015)  # long enough to be committed by itself
        """,
}


def make_project(folder: Path, *, replicates: int = 6, config: str = "") -> Story:
    """The project in `folder`, with a few more lines of `config` for both experiments."""
    story = Story(folder, _FILES)
    set_replicates(story, replicates)
    for name in ("make", "read") if config else ():
        path = f"experiments/{name}/config.yaml"
        story.write(path, (folder / path).read_text(encoding="utf-8") + config)
    roll(folder, 1)
    return story


def set_replicates(story: Story, replicates: int) -> None:
    """Edits the definition of ``make``; ``read`` has as many as it reads."""
    path = "experiments/make/config.yaml"
    text = (story.folder / path).read_text(encoding="utf-8")
    story.write(path, re.sub("replicates: .*", f"replicates: {replicates}", text))


def roll(folder: Path, dice: int) -> None:
    """What trials of ``make`` will yield from now on."""
    (folder / "dice").write_text(str(dice), encoding="utf-8")


def labels(replicates: int, conditions: Iterable[str] = CONDITIONS) -> set[str]:
    """The trials of both experiments in these conditions."""
    return {
        f"{name}/{condition}/{r}" for name in ("make", "read") for condition in conditions for r in range(replicates)
    }


def take_log(folder: Path) -> list[str]:
    """The trials that began since it was asked last, in order."""
    log = folder / "trials.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def view(folder: Path) -> Tree:
    """What people see of the results."""
    data = folder / "data"
    paths = (path for name in ("make", "read") for path in sorted((data / name).rglob("*")))
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def is_left_behind(path: str) -> bool:
    """Whether a file of the view is the temporary neighbour of another."""
    return path.rpartition("/")[2].startswith(".new-")


def expected(replicates: int, dice: dict[str, int]) -> Tree:
    """The view, where the trials of ``make`` and their readers have seen these `dice`, by ``condition/replicate``."""
    return dict(_expected(replicates, dice))


def _expected(replicates: int, dice: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    for name, files in (("make", {"small": "MakeStep", "large": "MakeStep"}), ("read", {"copy": "ReadStep"})):
        about = {"replicates": replicates, "id": compute_hash(_SIGNATURES[name]), "name": name}
        yield f"{name}/v0/metadata.json", json.dumps(about).encode()
        yield f"{name}/v0/_manifest.json", json.dumps(dict(sorted(files.items()))).encode()
        for shift, condition in enumerate(CONDITIONS):
            metrics: dict[str, list[int]] = {"dice": [dice[f"{condition}/{r}"] for r in range(replicates)]}
            if name == "make":
                metrics["shift"] = [shift] * replicates
            yield f"{name}/v0/{condition}/results.json", json.dumps({"metrics": metrics}).encode()
            yield f"{name}/v0/{condition}/{MARKER}", b""
            for r in range(replicates):
                small = f"{11 + shift} {r} {dice[f'{condition}/{r}']}"
                texts = {"small": small, "large": f"{small} " * LARGE_WORDS, "copy": f"read {small}"}
                for file, step in files.items():
                    yield f"{name}/v0/replicate_{r}/{condition}/{step}/{file}", texts[file].encode()
