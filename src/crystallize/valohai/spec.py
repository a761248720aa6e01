"""What is asked for, in one form, whoever asked: the YAML, a JSON payload, a single step. Plain data.

The compiler knows nothing else. Values are as somebody wrote them; the compiler types them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

OnError = Literal["stop-all", "stop-next", "continue", "retry"]


@dataclass(slots=True, kw_only=True)
class InputSpec:
    """One input of a node."""

    name: str
    references: list[str]
    """Default URIs, or those that were given in their place; none: an edge has to fill it."""
    optional: bool = False
    keep_directories: str = "none"
    """``none``, ``suffix`` or ``full``."""
    filename: str | None = None
    on_demand: bool = False


@dataclass(slots=True, kw_only=True)
class TaskSpec:
    """How a task node varies its parameters."""

    type: str
    """``grid_search``, ``random_search`` or ``manual_search``; others are refused when they are to run."""
    variants: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Parameter → style and rules."""
    sets: list[dict[str, Any]] = field(default_factory=list)
    """Of a manual search: the values of each child."""
    count: int | None = None
    at_once: int | None = None
    """How many children may run at a time."""
    on_child_error: str = "continue-and-error"
    stop_condition: str | None = None
    reuse_children: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What happens when a node is about to start, has completed, or has failed."""

    when: frozenset[str]
    conditions: tuple[str, ...]
    then: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class NodeSpec:
    """One node of a pipeline."""

    name: str
    kind: Literal["execution", "task", "deployment"]
    key: str
    """Where it stands, for messages: ``pipeline.training.nodes.train``."""
    line: int | None = None
    step: Any = None
    """The step's definition (valohai-yaml's), from the document of `commit`; None for a deployment."""
    commit: str | None = None
    """Whose source it runs; None: the run's own."""
    source_files: tuple[str, ...] | None = None
    """Patterns of ``x-source``; None: the whole tree."""
    observe: bool = False
    """Whether only those files of the source count that are seen to be read (``x-source: observed``)."""
    image: str = ""
    command: tuple[str, ...] = ()
    environment: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Definitions, by name."""
    values: dict[str, Any] = field(default_factory=dict)
    """Parameter → value given for this run, over the default."""
    inputs: dict[str, InputSpec] = field(default_factory=dict)
    environ: dict[str, str | None] = field(default_factory=dict)
    """Environment variable → value; None: it has none and needs none."""
    mounts: tuple[Any, ...] = ()
    task: TaskSpec | None = None
    actions: tuple[Action, ...] = ()
    on_error: OnError = "stop-all"
    append: bool = False
    """Whether files of edges come beside the input's own ones rather than in their place."""
    template: bool = True
    """Whether it is known what it would run; False for a node of a payload that only names an earlier execution."""
    fresh: bool = False
    """Whether it runs even where earlier executions may stand in for others."""
    pinned: tuple[int, ...] = ()
    """Numbers of the records that stand in for it: one, or one for each child of a task."""
    pinned_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSpec:
    """What flows from one node to another."""

    source: str
    source_type: str
    source_key: str
    target: str
    target_type: str
    target_key: str

    def __str__(self) -> str:
        return (
            f"{self.source}.{self.source_type}.{self.source_key} → {self.target}.{self.target_type}.{self.target_key}"
        )


@dataclass(slots=True, kw_only=True)
class PipelineSpec:
    """A pipeline, or a single step as a pipeline of one node."""

    name: str
    path: Path
    """The file that defines it, for messages."""
    nodes: list[NodeSpec]
    edges: list[EdgeSpec] = field(default_factory=list)
    reuse: bool = False
    """Whether earlier executions may stand in for its nodes."""
    title: str = ""
    notices: list[str] = field(default_factory=list)

    def node(self, name: str) -> NodeSpec | None:
        """The node of this name."""
        return next((node for node in self.nodes if node.name == name), None)

    def fed(self, node: NodeSpec) -> set[str]:
        """The inputs that edges bring files to."""
        return {edge.target_key for edge in self.edges if edge.target == node.name and edge.target_type == "input"}

    def replaced(self, node: NodeSpec) -> set[str]:
        """The inputs whose references edges stand in for."""
        return set() if node.append else self.fed(node)
