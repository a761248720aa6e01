"""Where commands run: the seam, and the host's shell. Containers implement it as well."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Part, Unclear
from crystallize.valohai.command import argv_of, relocated
from crystallize.valohai.job_files import Folders

_INHERITED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "VIRTUAL_ENV"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    )
)
"""Variables of the host that say where things are, not what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a runtime is to start."""

    uuid: str
    """Of the execution; names what is started."""
    script: str
    folders: Folders
    """As the host sees them."""
    environ: Mapping[str, str]
    """The platform's variables and those of the step."""
    image: str
    mounts: tuple[Any, ...] = ()
    """Of the step, as the valohai-yaml package has them."""
    resources: Any = None
    """Likewise."""
    network: bool = True


@dataclass(frozen=True, slots=True)
class Started:
    """How it is started."""

    argv: list[str]
    environ: Mapping[str, str]
    cwd: Path


class Runtime(Protocol):
    """Starts commands somewhere.

    ``sweep`` is called once at the beginning of a run and removes what runs that were killed have left. ``prepare`` is
    called once for each image, before anything is decided that depends on it; it may take long. ``parts`` is called
    once for each step while a run is compiled: what of the runtime and the image counts. ``inside`` says where a
    command will find its folders. ``start`` is called once for each command and yields the process to start; the caller
    runs it. ``end`` is awaited when a command must end early, before its process group is signalled; ``clean`` is
    called after every command, before what it wrote is looked at: nothing of it may be writing any more.
    """

    name: str

    def parts(self, image: str) -> tuple[list[Part], list[Unclear]]:
        """The parts ``image`` and ``runtime``, and those of them that cannot be told."""

    def inside(self, folders: Folders) -> Folders:
        """The folders as the command sees them."""

    def prepare(self, image: str) -> None:
        """Makes sure that the image is there."""

    def start(self, launch: Launch) -> Started:
        """The process that carries the command out."""

    async def end(self, uuid: str) -> None:
        """Ends the command of this execution."""

    def clean(self, uuid: str, *, well: bool) -> None:
        """Removes what is left of it; `well`: it ended by itself and without a fault."""

    def sweep(self) -> None:
        """Removes what killed runs have left."""


@dataclass(slots=True)
class LocalRuntime:
    """The host's shell. Nothing is isolated: the image is not used, though it counts.

    Parameters
    ----------
    environ : variables of this process; those that say where things are go on to the commands.
    """

    environ: Mapping[str, str] = field(repr=False)
    name: str = "local"

    def parts(self, image: str) -> tuple[list[Part], list[Unclear]]:
        """The image by its name, as it could not be looked at, and the platform."""
        return [image_part(image), runtime_part("local")], []

    def inside(self, folders: Folders) -> Folders:
        """As they are."""
        return folders

    def prepare(self, image: str) -> None:
        """Nothing to do."""

    def start(self, launch: Launch) -> Started:
        """A shell in the repository folder."""
        inherited = {
            name: value for name, value in self.environ.items() if name in _INHERITED or name.startswith("LC_")
        }
        script = relocated(launch.script, launch.folders.as_mapping())
        return Started(argv_of(script), {**inherited, **launch.environ}, launch.folders.repository)

    async def end(self, uuid: str) -> None:
        """Signals do."""

    def clean(self, uuid: str, *, well: bool) -> None:
        """Kills what left its process group."""
        from crystallize.valohai.process import kill_marked

        kill_marked(f"VH_EXECUTION_ID={uuid}")

    def sweep(self) -> None:
        """The ledger knows what was running; see `ledger.abandoned`."""


def image_part(image: str, identity: str = "") -> Part:
    """The part of an image: its name, and what its contents are known by, where they are."""
    known = f" ({identity.removeprefix('sha256:')[:12]})" if identity else ""
    if identity:
        return Part("image", digest_of("image/1", image.encode(), identity.encode()), image + known)
    return Part("image", digest_of("image-name/1", image.encode()), image)


def runtime_part(kind: str) -> Part:
    """The part of a runtime: ``local`` or ``container``, and the platform."""
    where = f"{platform.system().lower()}-{platform.machine()}"
    return Part("runtime", digest_of("runtime/1", kind.encode(), where.encode()), f"{kind} {where}")
