"""What a running command finds beside its source: folders, ``VH_…`` variables, and the files of its config folder.

The formats are those of the platform, so that code written with valohai-utils runs unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from crystallize.valohai.values import Value

FOLDERS = ("config", "inputs", "outputs", "repository")


@dataclass(frozen=True, slots=True)
class Folders:
    """The four folders of one execution, as somebody sees them."""

    config: Path
    inputs: Path
    outputs: Path
    repository: Path

    @classmethod
    def below(cls, root: Path) -> Folders:
        """The folders under their own names below `root`."""
        return cls(*(root / name for name in FOLDERS))

    def as_mapping(self) -> dict[str, str]:
        """Name → path."""
        return {name: str(getattr(self, name)) for name in FOLDERS}


PLATFORM = Folders.below(Path("/valohai"))
"""Where containers find them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file of an input, as the config folder tells of it."""

    input: str
    name: str
    """Relative to the folder of its input."""
    size_bytes: int
    digest: str
    """BLAKE3, hexadecimal."""
    uri: str
    """Where it came from."""
    datum: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the sidecar beside it said when it was an output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who an execution is."""

    uuid: str
    counter: int
    step: str
    title: str
    image: str
    project: str
    environment: str
    commit: str
    created: str
    """ISO 8601, UTC."""
    pipeline: str | None = None
    node: str | None = None
    run: int = 0
    task: str | None = None


def variables(identity: Identity, inside: Folders) -> dict[str, str]:
    """The platform's environment variables."""
    found = {f"VH_{name.upper()}_DIR": path for name, path in inside.as_mapping().items()}
    found |= {
        "VH_JOB_ID": f"exec-{identity.uuid}",
        "VH_EXECUTION_ID": identity.uuid,
        "VH_PROJECT_ID": identity.project,
        "PYTHONUNBUFFERED": "1",
    }
    if identity.pipeline is not None:
        found["VH_PIPELINE_ID"] = f"{identity.pipeline}-{identity.run}"
        found["VH_PIPELINE_NODE_ID"] = f"{identity.pipeline}-{identity.run}-{identity.node}"
    if identity.task is not None:
        found["VH_TASK_ID"] = f"{identity.pipeline}-{identity.run}-{identity.task}"
    return found


def write_config(
    folder: Path, identity: Identity, parameters: Mapping[str, Value], inputs: Sequence[InputFile], inside: Folders
) -> None:
    """Writes the files of the config folder, each as JSON and as YAML.

    Parameters
    ----------
    inputs : every file, in order; an input without files is not among them.
    inside : the folders as the command sees them.
    """
    documents = {
        "parameters": dict(parameters),
        "inputs": _inputs(inputs, inside),
        "execution": _execution(identity),
        "runtime": {"cpu_count": None},
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        (folder / f"{name}.yaml").write_text(_to_yaml(document), encoding="utf-8")


def _to_yaml(document: Any) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(document, Dumper=dumper, allow_unicode=True, sort_keys=False))


def _inputs(files: Sequence[InputFile], inside: Folders) -> dict[str, Any]:
    listed: dict[str, Any] = {}
    for file in files:
        row = {
            "name": file.name,
            "path": str(inside.inputs / file.input / file.name),
            "size": file.size_bytes,
            "uri": file.uri,
            "checksums": {"blake3": file.digest},
            "metadata": [dict(file.metadata)] if file.metadata else [],
            "datum_id": file.datum,
            "storage_uri": file.uri,
            "download_intent": "always",
        }
        listed.setdefault(file.input, {"files": []})["files"].append(row)
    return listed


def _execution(identity: Identity) -> dict[str, Any]:
    told: dict[str, Any] = {
        "commit-identifier": identity.commit,
        "creator-id": None,
        "creator-name": None,
        "creator-email": None,
        "environment-id": identity.environment,
        "environment-name": identity.environment,
        "environment-slug": identity.environment,
        "execution-counter": identity.counter,
        "execution-ctime": identity.created,
        "execution-duration": None,
        "execution-id": identity.uuid,
        "execution-image": identity.image,
        "execution-qtime": identity.created,
        "execution-status": "created",
        "execution-step": identity.step,
        "execution-tags": [],
        "execution-title": identity.title,
        "project-id": identity.project,
        "project-name": f"local/{identity.project}",
    }
    if identity.pipeline is not None:
        told["pipeline-counter"] = identity.run
        told["pipeline-id"] = f"{identity.pipeline}-{identity.run}"
        told["pipeline-node-id"] = f"{identity.pipeline}-{identity.run}-{identity.node}"
        told["pipeline-title"] = identity.pipeline
        told["pipeline-tags"] = []
    if identity.task is not None:
        told["task-id"] = f"{identity.pipeline}-{identity.run}-{identity.task}"
    return {f"valohai.{name}": value for name, value in told.items()}
