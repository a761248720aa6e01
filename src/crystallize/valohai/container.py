"""Commands in containers, by the command line of podman or docker.

A container gets the four folders of its execution and nothing else of the host. It is named after its execution and
labelled with the run that started it, so that it is found and removed whatever became of that run.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from crystallize.errors import DefinitionError
from crystallize.fingerprint.manifest import Part, Unclear
from crystallize.valohai.command import argv_of
from crystallize.valohai.job_files import PLATFORM, Folders
from crystallize.valohai.runtime import Launch, Started, image_part, runtime_part

PREFIX = "crystallize-"
_CAP_SYS_RESOURCE = 24
STOP_SECONDS = 5
_ENGINE_ENVIRON = ("PATH", "HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR")
"""What the engine's own command line needs beside its DOCKER_… and CONTAINER… variables."""


class ContainerRuntime:
    """A container engine.

    Parameters
    ----------
    name : ``podman`` or ``docker``.
    environ : variables of this process, for the engine's command line; containers see none of them.
    store_id : the label of what is started here.
    network : whether containers reach a network.
    """

    def __init__(self, name: str, environ: Mapping[str, str], store_id: str, *, network: bool = True) -> None:
        self.name = name
        self._environ = {
            key: value
            for key, value in environ.items()
            if key in _ENGINE_ENVIRON or key.startswith(("DOCKER_", "CONTAINER"))
        }
        self._store_id = store_id
        self._network = network
        self._identities: dict[str, str] = {}

    def parts(self, image: str) -> tuple[list[Part], list[Unclear]]:
        """The image by what it holds; an image that is not here yet cannot be told."""
        identity = self._identity(image)
        if identity:
            return [image_part(image, identity), runtime_part("container")], []
        unclear = Unclear("image", f"image {image} is not on this machine", f"pull it first: {self.name} pull {image}")
        return [image_part(image), runtime_part("container")], [unclear]

    def inside(self, folders: Folders) -> Folders:
        """The platform's own."""
        return PLATFORM

    def prepare(self, image: str) -> None:
        """Pulls the image unless it is here. Raises DefinitionError when it cannot be had."""
        if self._identity(image):
            return
        done = self._engine("pull", image)
        if done.returncode:
            said = (done.stderr.strip() or "it failed").splitlines()[-1]
            raise DefinitionError(
                f"image {image} cannot be pulled: {said}",
                key="image",
                remedy=f"mend its name, build it with {self.name}, or use --runtime local",
            )

    def start(self, launch: Launch) -> Started:
        """The engine's ``run``; variables go through its own environment, so that no value is on a command line."""
        first, *rest = argv_of(launch.script)
        argv = [
            self.name, "run", "--rm", "--name", PREFIX + launch.uuid,
            "--label", f"crystallize.store={self._store_id}", "--label", f"crystallize.driver={driver_mark()}",
            "--workdir", str(PLATFORM.repository), "--entrypoint", first,
            *self._limits(launch), *self._folders(launch),
        ]  # fmt: skip
        if not (launch.network and self._network):
            argv += ["--network", "none"]
        for name in launch.environ:
            argv += ["--env", name]
        return Started([*argv, launch.image, *rest], {**launch.environ, **self._environ}, launch.folders.repository)

    async def end(self, uuid: str) -> None:
        """Asks the container to stop, and has it killed a little later."""
        await asyncio.to_thread(self._engine, "stop", "--time", str(STOP_SECONDS), PREFIX + uuid)

    def clean(self, uuid: str, *, well: bool) -> None:
        """Removes the container by force, unless it has removed itself: who started it may have died before it."""
        if not well:
            self._engine("rm", "--force", PREFIX + uuid)

    def sweep(self) -> None:
        """Removes the containers of runs that are no more."""
        form = '{{.Names}} {{.Label "crystallize.driver"}}'
        if self.name == "podman":
            form = '{{.Names}} {{index .Labels "crystallize.driver"}}'
        listed = self._engine("ps", "--all", "--filter", f"label=crystallize.store={self._store_id}", "--format", form)
        for line in listed.stdout.splitlines():
            name, _, mark = line.partition(" ")
            if name.startswith(PREFIX) and not is_alive(mark):
                self._engine("rm", "--force", name)

    def _identity(self, image: str) -> str:
        """What the image holds, as the engine tells it; empty when it is not here."""
        if not self._identities.get(image):
            done = self._engine("image", "inspect", "--format", "{{.Id}}", image)
            self._identities[image] = done.stdout.strip() if done.returncode == 0 else ""
        return self._identities[image]

    def _folders(self, launch: Launch) -> Iterator[str]:
        for name, path in launch.folders.as_mapping().items():
            yield "--volume"
            yield f"{path}:{getattr(PLATFORM, name)}" + (":ro" if name == "config" else "")
        for mount in launch.mounts:
            yield "--volume"
            yield f"{mount.source}:{mount.destination}" + (":ro" if mount.readonly else "")

    def _limits(self, launch: Launch) -> Iterator[str]:
        if self.name == "podman":
            yield from _lowered_limits()
        elif os.getuid():
            yield from ("--user", f"{os.getuid()}:{os.getgid()}")
        needs = launch.resources
        if needs is None:
            return
        if needs.cpu.max is not None:
            yield from ("--cpus", str(needs.cpu.max))
        if needs.memory.max is not None:
            yield from ("--memory", f"{needs.memory.max}m")
        for device, count in (needs.devices.devices or {}).items():
            if not count:
                continue
            yield from ("--gpus", str(count)) if self.name == "docker" else ("--device", f"{device}=all")

    def _engine(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self.name, *arguments]
        try:
            return subprocess.run(
                command, env=self._environ, capture_output=True, encoding="utf-8", errors="replace", check=False
            )
        except OSError as error:
            fact = f"{self.name} is not there any more: {error.strerror}"
            return subprocess.CompletedProcess(command, returncode=127, stdout="", stderr=fact)


def is_usable(engine: str, environ: Mapping[str, str]) -> bool:
    """Whether an engine is installed and, for docker, its server can be reached."""
    if shutil.which(engine, path=environ.get("PATH")) is None:
        return False
    if engine == "podman":
        return True
    return "DOCKER_HOST" in environ or os.access("/var/run/docker.sock", os.R_OK | os.W_OK)


def _lowered_limits() -> Iterator[str]:
    """Limits that podman can grant where it is root in name only: by default it asks for more than it may then."""
    if os.getuid() or _may_raise_limits():
        return
    for word, kind, most in (("nofile", resource.RLIMIT_NOFILE, 1 << 20), ("nproc", resource.RLIMIT_NPROC, 1 << 15)):
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(hard, most)
        yield from ("--ulimit", f"{word}={limit}:{limit}")


def _may_raise_limits() -> bool:
    """Whether this process has CAP_SYS_RESOURCE; taken for granted where that is not told."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return True
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "f" * 16)
    return bool(int(effective, 16) >> _CAP_SYS_RESOURCE & 1)


def driver_mark() -> str:
    """What this process is known by, also when its number has been given to another."""
    return f"{os.getpid()}.{_started(os.getpid())}"


def is_alive(mark: str) -> bool:
    """Whether the process of a `driver_mark` still is."""
    pid, _, started = mark.partition(".")
    return pid.isdecimal() and _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; empty when there is none, ``0`` where that is not told."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "" if Path("/proc/self/stat").exists() else "0"
