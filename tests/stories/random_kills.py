"""Kills runs of one project again and again, at every stage of what they write, and holds what is left to the truth.

``python -m tests.stories.random_kills FOLDER SEED INSTANTS [SCENE]`` prints a `Report` as JSON, after so many instants
of each scene, or of one. A process of its own, because it forks.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from crystallize.store.store import Store
from crystallize.store.verify import verify

from .dying import Death, asked, load_command, run
from .killable import (
    CONDITIONS,
    MARKER,
    expected,
    is_left_behind,
    labels,
    make_project,
    roll,
    set_replicates,
    take_log,
    view,
)

FORCED = ("a", "c")
"""The conditions whose markers the user removes."""
WORKERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A project in some state, and a run of it that is going to be killed."""

    name: str
    prepare: Callable[[Path], object]
    """Brings the project, in an empty folder, to where the run begins."""
    arguments: tuple[str, ...] = ("run",)
    replicates: int = 6
    executes: frozenset[str] = frozenset(labels(6))
    """The trials that the run executes when nobody kills it."""
    dice: int = 1
    """What its trials of ``make`` yield; those that ran before yielded 1."""
    rerun: bool = False
    """Everything runs by the run's own wish, of which a later one knows nothing."""
    at_once: int = 1
    """How many trials of ``make`` may be under way."""


@dataclass(slots=True)
class Report:
    """What came of it."""

    instants: Counter[str] = field(default_factory=Counter)
    """Scene → kills."""
    stages: Counter[str] = field(default_factory=Counter)
    """What the process was about to do, or ``torn …`` for in the midst of what, or ``at some time`` → kills."""
    lost: Counter[int] = field(default_factory=Counter)
    """Trials that had begun and were not recorded → kills."""
    left_behind: int = 0
    """Temporary files in views; they harm nobody, and a sweep takes them."""
    wrong: list[str] = field(default_factory=list)
    """Where a result, a reuse or a marker was not right."""
    torn: list[str] = field(default_factory=list)
    """Files of views that were not whole."""


def scenes() -> list[Scene]:
    """A first run, a top-up, a forced rerun, a run forced by removed markers, and trials in threads and processes."""
    below = frozenset(labels(6, FORCED))
    return [
        Scene(name="first run", prepare=make_project),
        Scene(
            name="top-up from 2 to 4 replicates",
            prepare=_with_two_replicates,
            replicates=4,
            executes=frozenset(labels(4) - labels(2)),
        ),
        Scene(name="rerun", prepare=_finished, arguments=("run", "--strategy", "rerun"), dice=2, rerun=True),
        Scene(name="removed markers", prepare=_without_markers, executes=below, dice=2),
        Scene(name="threads", prepare=_in_threads, at_once=WORKERS),
        Scene(name="processes", prepare=_in_processes, at_once=WORKERS),
    ]


def _run_once(folder: Path) -> None:
    ended = run(folder, ["run"])
    assert ended.code == 0, ended.said
    take_log(folder)


def _with_two_replicates(folder: Path) -> None:
    story = make_project(folder, replicates=2)
    _run_once(folder)
    set_replicates(story, 4)


def _finished(folder: Path) -> None:
    make_project(folder)
    _run_once(folder)
    roll(folder, 2)


def _without_markers(folder: Path) -> None:
    _finished(folder)
    for condition in FORCED:
        (folder / f"data/make/v0/{condition}/{MARKER}").unlink()


def _in_threads(folder: Path) -> None:
    make_project(folder, config=f"executor: thread\nmax_workers: {WORKERS}\n")


def _in_processes(folder: Path) -> None:
    make_project(folder, config=f"executor: process\nmax_workers: {WORKERS}\n")


class Kills:
    """Kills one scene's run at many instants. `undisturbed` comes first."""

    def __init__(self, scene: Scene, folder: Path, chance: random.Random, report: Report) -> None:
        self._scene, self._chance, self._report = scene, chance, report
        self._begin, self._here = folder / "begin", folder / "here"
        self._begin.mkdir(parents=True)
        scene.prepare(self._begin)
        self._before = _numbers(self._begin)
        self._markers_before = _markers(self._begin)
        self._acts: dict[str, list[int]] = defaultdict(list)
        self._seconds = 0.0

    def undisturbed(self) -> None:
        """Runs the scene to its end, to know what it does and how long it takes."""
        self._fresh()
        started = perf_counter()
        ended = run(self._here, self._scene.arguments)
        self._seconds = perf_counter() - started
        for number, stage in enumerate(ended.acts, 1):
            self._acts[stage].append(number)
        executed = take_log(self._here)
        self._hold(ended.code == 0, f"undisturbed: {ended.said}")
        self._hold(sorted(executed) == sorted(self._scene.executes), f"undisturbed: executed {executed}")
        self._check_view("undisturbed", set(self._scene.executes))

    def kill(self, number: int) -> None:
        """One instant: stages in turn, so that the rare ones have theirs; two in ten tear a write, two come by time."""
        stage = sorted(self._acts)[number % len(self._acts)]
        way = number % 10
        at = self._chance.choice(self._acts[stage])
        tear = self._chance.randrange(20_000) if way in (3, 7) else None
        self._fresh()
        if way in (1, 6):
            what = "at some time"
            ended = run(self._here, self._scene.arguments, after_s=self._chance.uniform(0, self._seconds))
        else:
            what = stage if tear is None else f"torn {stage}"
            ended = run(self._here, self._scene.arguments, dies=Death(at, tear))
        if ended.killed:
            self._report.instants[self._scene.name] += 1
            self._report.stages[what] += 1
            self._examine(f"{self._scene.name}, {what} ({len(ended.acts)})")
        else:
            self._hold(ended.code == 0, f"{self._scene.name}, {what}: {ended.said}")
        shutil.rmtree(self._here)

    def _examine(self, where: str) -> None:
        scene, begun = self._scene, take_log(self._here)
        recorded = self._recorded()
        lost = [label for label in begun if label not in recorded]
        self._report.lost[len(lost)] += 1
        self._hold(sum(label.startswith("make") for label in lost) <= scene.at_once, f"{where}: lost {lost}")
        self._hold(len(begun) == len(set(begun)), f"{where}: began twice {begun}")
        self._check_whole(where)
        self._check_markers(where, set(begun), recorded)

        ended = run(self._here, ["run"])

        executed = take_log(self._here)
        still = self._still_to_execute(recorded)
        self._hold(ended.code == 0, f"{where}: resumed: {ended.said}")
        self._hold(sorted(executed) == sorted(still), f"{where}: resumed: {sorted(executed)} is not {sorted(still)}")
        self._check_view(where, recorded | still)

        again = run(self._here, ["run"])

        self._hold(again.code == 0 and take_log(self._here) == [], f"{where}: third: {again.said}")
        self._check_view(f"{where}, third", recorded | still)

    def _still_to_execute(self, recorded: set[str]) -> set[str]:
        if not self._scene.rerun:
            return set(self._scene.executes - recorded)
        made_anew = {label.replace("make", "read") for label in recorded if label.startswith("make")}
        return made_anew - recorded

    def _recorded(self) -> set[str]:
        """The trials that this run has recorded; what is in the store must be sound."""
        sound, numbers = asked(lambda: _look(self._here))
        self._hold(sound == [], f"{self._scene.name}: verify: {sound}")
        return {label for label, found in numbers.items() if found[-1] > self._before}

    def _check_whole(self, where: str) -> None:
        """Every file of the view is one that some run meant to write."""
        scene, dice = self._scene, range(1, self._scene.dice + 1)
        versions = [expected(scene.replicates, dict.fromkeys(_trials(scene.replicates), each)) for each in dice]
        for path, contents in view(self._here).items():
            name = path.rpartition("/")[2]
            if is_left_behind(path):
                self._report.left_behind += 1
            elif name in ("results.json", "metadata.json", "_manifest.json"):
                if not _is_json(contents):
                    self._report.torn.append(f"{where}: {path}: {contents!r}")
            elif contents not in [version.get(path) for version in versions]:
                self._report.torn.append(f"{where}: {path}: {contents[:80]!r}")

    def _check_markers(self, where: str, begun: set[str], recorded: set[str]) -> None:
        """A marker stands where it stood, if nothing there has begun, or over a condition that is finished."""
        for marker in _markers(self._here):
            experiment, _, condition, _ = marker.split("/")
            executes = {label for label in self._scene.executes if label.startswith(f"{experiment}/{condition}/")}
            untouched = marker in self._markers_before and not begun & executes
            self._hold(untouched or executes <= recorded, f"{where}: {marker} stands over what is not finished")

    def _check_view(self, where: str, executed: set[str]) -> None:
        dice = {
            trial: self._scene.dice if f"make/{trial}" in executed else 1 for trial in _trials(self._scene.replicates)
        }
        truth = expected(self._scene.replicates, dice)
        shown = {path: contents for path, contents in view(self._here).items() if not is_left_behind(path)}
        wrong = sorted(path for path in truth.keys() | shown.keys() if truth.get(path) != shown.get(path))
        self._hold(not wrong, f"{where}: {len(wrong)} files of the view are wrong: {wrong[:3]}")

    def _fresh(self) -> None:
        shutil.rmtree(self._here, ignore_errors=True)
        shutil.copytree(self._begin, self._here)

    def _hold(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._report.wrong.append(otherwise)


def _look(folder: Path) -> Any:
    """What is wrong with the store, and label → numbers of its records."""
    store = Store.open(folder / "data")
    verdict = verify(store)
    numbers: dict[str, list[int]] = defaultdict(list)
    for label, number in store.database.read("SELECT label, number FROM records ORDER BY number"):
        numbers[label].append(number)
    store.close()
    return [*verdict.lost, *verdict.mended, *verdict.faults], numbers


def _numbers(folder: Path) -> int:
    """The number of the last record."""
    if not (folder / "data").exists():
        return 0
    return max((n for numbers in asked(lambda: _look(folder))[1].values() for n in numbers), default=0)


def _markers(folder: Path) -> set[str]:
    return {path.relative_to(folder / "data").as_posix() for path in folder.glob(f"data/*/v0/*/{MARKER}")}


def _trials(replicates: int) -> list[str]:
    return [f"{condition}/{replicate}" for condition in CONDITIONS for replicate in range(replicates)]


def _is_json(contents: bytes) -> bool:
    try:
        json.loads(contents)
    except ValueError:
        return False
    return True


def soak(folder: Path, seed: int, instants: int, names: Sequence[str]) -> Report:
    """Kills the run of each of these scenes, or of all, at so many instants."""
    report = Report()
    for scene in (scene for scene in scenes() if scene.name in names or not names):
        chance = random.Random(f"{seed} {scene.name}")
        kills = Kills(scene, folder / scene.name, chance, report)
        kills.undisturbed()
        for number in range(instants):
            kills.kill(number)
        shutil.rmtree(folder / scene.name)
    return report


def main() -> None:
    """Does as much as asked and prints the report."""
    folder, seed, instants = Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    os.environ["HOME"] = str(folder)
    make_project(folder / "project", replicates=1)
    load_command(folder / "project")
    report = soak(folder, seed, instants, sys.argv[4:])
    print(json.dumps({name: getattr(report, name) for name in Report.__slots__}))


if __name__ == "__main__":
    main()
