"""What podman and docker are asked, by a stand-in that writes down how it was called."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from valohai_yaml.objs.step import Step

from crystallize.errors import DefinitionError
from crystallize.valohai.container import PREFIX, ContainerRuntime, driver_mark, is_alive, is_usable
from crystallize.valohai.job_files import Folders
from crystallize.valohai.runtime import Launch
from crystallize.valohai.runtimes import choose_runtime

STAND_IN = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "asked").open("a") as file:
    file.write(json.dumps([sys.argv[1:], sorted(os.environ)]) + "\\n")
answers = json.loads((folder / "answers").read_text())
said, code = answers.get(sys.argv[1], ["", 0])
print(said, end="")
sys.exit(code)
"""


class Engine:
    """A program that stands in for a container engine."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        program = folder / name
        program.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
        program.chmod(0o755)
        self.answers()

    def answers(self, **answers: tuple[str, int]) -> None:
        """What it prints, and its exit code, by subcommand."""
        (self.folder / "answers").write_text(json.dumps(answers), encoding="utf-8")

    def asked(self) -> list[list[str]]:
        """The arguments of every call so far."""
        path = self.folder / "asked"
        return [json.loads(line)[0] for line in path.read_text().splitlines()] if path.exists() else []

    def runtime(self, *, network: bool = True, **environ: str) -> ContainerRuntime:
        given = {"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": "/home/me", **environ}
        return ContainerRuntime(self.name, given, "/data/.crystallize", network=network)


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return Engine(tmp_path, request.param)


@pytest.fixture
def docker(tmp_path: Path) -> Engine:
    return Engine(tmp_path, "docker")


FOLDERS = Folders.below(Path("/scratch/job"))


def launch(**about: Any) -> Launch:
    return Launch(
        **{"uuid": "u1", "script": "python a.py", "folders": FOLDERS, "environ": {}, "image": "im:1", **about}
    )


def values_of(argv: list[str], option: str) -> list[str]:
    return [argv[index + 1] for index, word in enumerate(argv) if word == option]


def test_a_container_gets_its_four_folders_and_nothing_else(engine: Engine) -> None:
    started = engine.runtime().start(launch())
    argv = started.argv

    assert argv[:5] == [engine.name, "run", "--rm", "--name", f"{PREFIX}u1"]
    assert values_of(argv, "--volume") == [
        "/scratch/job/config:/valohai/config:ro",
        "/scratch/job/inputs:/valohai/inputs",
        "/scratch/job/outputs:/valohai/outputs",
        "/scratch/job/repository:/valohai/repository",
    ]
    assert values_of(argv, "--workdir") == ["/valohai/repository"]
    assert values_of(argv, "--label") == [
        "crystallize.store=/data/.crystallize",
        f"crystallize.driver={driver_mark()}",
    ]
    assert values_of(argv, "--entrypoint") == ["/bin/sh"]
    assert argv[-3:] == ["im:1", "-c", "python a.py"]
    assert not {"--privileged", "--network", "--cpus", "--memory", "--gpus", "--device"} & set(argv)


def test_a_script_that_names_its_shell_gets_it(engine: Engine) -> None:
    argv = engine.runtime().start(launch(script="#!/usr/bin/env bash\necho a")).argv

    assert values_of(argv, "--entrypoint") == ["/usr/bin/env"]
    assert argv[-4:] == ["im:1", "bash", "-c", "echo a"]


def test_values_of_variables_are_on_no_command_line_and_the_hosts_stay_outside(engine: Engine) -> None:
    runtime = engine.runtime(MY_OWN="host", DOCKER_HOST="tcp://engine", CONTAINERS_CONF="/c")
    started = runtime.start(launch(environ={"API_KEY": "very-hidden", "MODE": "fast"}))

    assert values_of(started.argv, "--env") == ["API_KEY", "MODE"]
    assert not any("very-hidden" in word for word in started.argv)
    assert started.environ["API_KEY"] == "very-hidden"
    assert started.environ["DOCKER_HOST"] == "tcp://engine"
    assert "MY_OWN" not in started.environ


@pytest.mark.parametrize(("of_run", "of_step"), [(False, True), (True, False), (False, False)])
def test_without_network_there_is_none(engine: Engine, of_run: bool, of_step: bool) -> None:
    argv = engine.runtime(network=of_run).start(launch(network=of_step)).argv

    assert values_of(argv, "--network") == ["none"]


def test_resources_are_limits(engine: Engine) -> None:
    about = {"cpu": {"min": 1, "max": 2}, "memory": {"max": 512}, "devices": {"nvidia.com/gpu": 1}}
    step = Step.parse({"name": "s", "image": "i", "command": "c", "resources": about})
    argv = engine.runtime().start(launch(resources=step.resources)).argv

    assert values_of(argv, "--cpus") == ["2"]
    assert values_of(argv, "--memory") == ["512m"]
    wanted = ("--gpus", ["1"]) if engine.name == "docker" else ("--device", ["nvidia.com/gpu=all"])
    assert values_of(argv, wanted[0]) == wanted[1]


def test_mounts_are_added(engine: Engine) -> None:
    mounts = (
        SimpleNamespace(source="/a", destination="/b", readonly=True),
        SimpleNamespace(source="/c", destination="/d", readonly=False),
    )
    argv = engine.runtime().start(launch(mounts=mounts)).argv

    assert values_of(argv, "--volume")[4:] == ["/a:/b:ro", "/c:/d"]


def test_docker_writes_files_as_the_user(docker: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 100)

    assert values_of(docker.runtime().start(launch()).argv, "--user") == ["1000:100"]


def test_an_image_counts_by_what_it_holds(engine: Engine) -> None:
    engine.answers(image=("sha256:aaaa\n", 0))
    [first, _], unclear = engine.runtime().parts("im:1")
    engine.answers(image=("sha256:bbbb\n", 0))
    [second, _], _ = engine.runtime().parts("im:1")

    assert first.digest != second.digest
    assert first.preview == "im:1 (aaaa)"
    assert unclear == []
    assert engine.asked()[0] == ["image", "inspect", "--format", "{{.Id}}", "im:1"]


def test_an_image_that_is_not_here_cannot_be_told_and_is_pulled_before_anything_runs(engine: Engine) -> None:
    engine.answers(image=("", 1), pull=("", 0))
    runtime = engine.runtime()

    [unclear] = runtime.parts("im:1")[1]
    runtime.prepare("im:1")

    assert unclear.remedy == f"pull it first: {engine.name} pull im:1"
    assert engine.asked()[-1] == ["pull", "im:1"]


def test_an_image_that_cannot_be_pulled_is_one_line(engine: Engine) -> None:
    engine.answers(image=("", 1), pull=("", 1))

    with pytest.raises(DefinitionError, match="image im:1 cannot be pulled"):
        engine.runtime().prepare("im:1")


def test_a_container_is_stopped_and_removed_by_its_name(engine: Engine) -> None:
    runtime = engine.runtime()
    asyncio.run(runtime.end("u1"))
    runtime.clean("u1", well=False)
    runtime.clean("u2", well=True)

    assert engine.asked() == [["stop", "--time", "5", f"{PREFIX}u1"], ["rm", "--force", f"{PREFIX}u1"]]


def test_only_containers_of_runs_that_are_no_more_are_swept(engine: Engine) -> None:
    listed = f"{PREFIX}old 1.0\n{PREFIX}mine {driver_mark()}\nothers 1.0\n"
    engine.answers(ps=(listed, 0))

    engine.runtime().sweep()

    [ps, *removed] = engine.asked()
    assert values_of(ps, "--filter") == ["label=crystallize.store=/data/.crystallize"]
    assert removed == [["rm", "--force", f"{PREFIX}old"]]


def test_an_engine_that_is_gone_costs_a_line_and_no_traceback(tmp_path: Path) -> None:
    runtime = ContainerRuntime("podman", {"PATH": str(tmp_path)}, "/data")
    calls: list[Callable[[], object]] = [
        runtime.sweep,
        lambda: runtime.clean("u1", well=False),
        lambda: asyncio.run(runtime.end("u1")),
    ]

    for call in calls:
        call()
    with pytest.raises(DefinitionError, match="image im:1 cannot be pulled: podman is not there any more"):
        runtime.prepare("im:1")


def test_docker_is_taken_where_podman_is_not_and_its_server_can_be_reached(docker: Engine) -> None:
    there = {"PATH": str(docker.folder), "DOCKER_HOST": "tcp://engine"}

    assert is_usable("docker", there)
    assert choose_runtime(None, there, "/data").name == "docker"
    assert choose_runtime("local", there, "/data").name == "local"
    with pytest.raises(DefinitionError, match="unknown runtime 'rocket'"):
        choose_runtime("rocket", there, "/data")


def test_who_drives_is_known_even_when_its_number_was_given_to_another() -> None:
    assert is_alive(driver_mark())
    assert not is_alive(f"{os.getpid()}.1")
    assert not is_alive("")
