"""Which runtime there is: podman, else docker, else the host's shell, unless somebody chose."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from crystallize.errors import DefinitionError
from crystallize.valohai.container import ContainerRuntime, is_usable
from crystallize.valohai.runtime import LocalRuntime, Runtime

NAMES = ("podman", "docker", "local")


def choose_runtime(name: str | None, environ: Mapping[str, str], store_id: str, *, network: bool = True) -> Runtime:
    """The runtime called `name`, else podman, else docker, else local: whichever is there.

    Parameters
    ----------
    store_id : marks what is started, so that what a killed run left is found.

    Raises DefinitionError for an unknown name, and for one that is not there.
    """
    if name is not None and name not in NAMES:
        raise DefinitionError(f"unknown runtime '{name}'", key="runtime", remedy=f"use {', '.join(NAMES)}")
    if name in ("podman", "docker"):
        if shutil.which(name, path=environ.get("PATH")) is None:
            raise DefinitionError(
                f"{name} is not installed", key="runtime", remedy="install it, or use --runtime local"
            )
        return ContainerRuntime(name, environ, store_id, network=network)
    if name is None:
        for engine in ("podman", "docker"):
            if is_usable(engine, environ):
                return ContainerRuntime(engine, environ, store_id, network=network)
    return LocalRuntime(environ)
