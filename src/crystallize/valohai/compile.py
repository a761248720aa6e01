"""Compiling: a spec and what the user asked for → a plan of executions.

Below this, nobody knows nodes, edges or tasks. A node becomes one job, a task node one for each child; edges become
what a job waits for and how it is resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, MissingArtifactError
from crystallize.fingerprint.manifest import PartTable
from crystallize.plan.job import Group, Job, Late, Resolved, Work, Yield
from crystallize.plan.plan import Growth, Plan
from crystallize.store.reuse import Exactly, Force, Policy, Use
from crystallize.store.store import Store
from crystallize.valohai.control import Control
from crystallize.valohai.fetching import Fetches
from crystallize.valohai.flow import Node, depends_on_values, is_spread, resolve, spread
from crystallize.valohai.observed import WHOLE, script_of_plain
from crystallize.valohai.parts import KIND, fragile_notes, shared_table
from crystallize.valohai.process import Limits
from crystallize.valohai.references import REMOTE, References, scheme_of
from crystallize.valohai.remote import Remote
from crystallize.valohai.runtime import Runtime
from crystallize.valohai.source import Source
from crystallize.valohai.spec import EdgeSpec, NodeSpec, PipelineSpec
from crystallize.valohai.specify import REQUIRED
from crystallize.valohai.task import Recipe
from crystallize.valohai.values import interpolated, typed_values
from crystallize.valohai.variants import children_of

ATTEMPTS = 3
"""Of a node whose ``on-error`` is ``retry``."""
REUSE_OFF = "reuse is off"
NOTHING = PartTable(())


@dataclass(slots=True, kw_only=True)
class Compiled:
    """A plan, and which of its jobs belong to which node."""

    plan: Plan
    nodes: dict[str, Node]
    """By name, in topological order."""
    skipped: list[NodeSpec] = field(default_factory=list)
    """Deployments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the nodes of one run share."""

    store: Store
    runtime: Runtime
    sources: Mapping[str | None, Source]
    """Commit of a node, None for the run's own → its source tree."""
    environ: Mapping[str, str]
    """Values for environment variables of steps that have none of their own (``REQUIRED`` ones)."""
    project: Path
    """Folder that relative references begin at."""
    network: bool = True


def compile_pipeline(
    spec: PipelineSpec, work: Work, control: Control, around: Surroundings, *, workers: int
) -> Compiled:
    """The plan of `spec`.

    Parameters
    ----------
    control : what stops the run.
    workers : how many executions may run at once.

    Raises DefinitionError, MissingFileError, UnknownNameError for what cannot be run.
    """
    plan = Plan()
    group = Group(
        name=spec.name, kind=KIND, work=work, root=around.store.root, workers=workers, executor="async"
    )  # fmt: skip
    plan.groups.append(group)
    compiled = Compiled(plan=plan, nodes={})
    compiled.skipped = [node for node in spec.nodes if node.kind == "deployment"]
    _copy_variables(spec, {node.name: node for node in spec.nodes})
    _Compiling(spec, compiled, control, around, workers).begin()
    return compiled


class _Compiling:
    """A pipeline on its way into a plan: as far as is known, and on when it shows how many children its tasks have."""

    def __init__(
        self, spec: PipelineSpec, compiled: Compiled, control: Control, around: Surroundings, workers: int
    ) -> None:
        self._spec = spec
        self._compiled = compiled
        references = References(around.project, around.store)
        self._fetches = Fetches(compiled.plan, 0, around.store, Remote(around.environ), workers=workers)
        by_name = {node.name: node for node in spec.nodes if node.kind != "deployment"}
        ordered = (by_name[name] for name in _order(spec) if name in by_name)
        self._left = {node.name: _node(spec, node, control, around, references) for node in ordered}
        """The nodes that have no jobs yet, each after those it waits for."""
        self._growing: set[str] = set()

    def begin(self) -> None:
        """Adds what is known before anything runs."""
        self._go_on(late=False)
        for node in self._left.values():
            for each in node.spec.inputs.values() if not node.spec.pinned else ():
                for reference in each.references:
                    if scheme_of(reference) in REMOTE:  # a group cannot come later, and looking must not hold up a run
                        self._fetches.expect(None if depends_on_values(reference) else reference)

    def _go_on(self, *, late: bool) -> None:
        """Adds the jobs of every node for which all is known that decides on their number."""
        for node in list(self._left.values()):
            name = node.spec.name
            edges = [edge for edge in self._spec.edges if edge.target == name]
            if name in self._growing or any(edge.source in self._left for edge in edges):
                continue
            spreads = [edge for edge in edges if is_spread(node.spec, edge)]
            if spreads:
                self._growing.add(name)
                self._wait(node, [(self._compiled.nodes[edge.source], edge) for edge in spreads])
            else:
                self._add(node, late=late)

    def _wait(self, node: Node, spreads: list[tuple[Node, EdgeSpec]]) -> None:
        """The node's jobs are added when those are settled whose lists become its children."""

        def grow(yields: Mapping[int, Yield] | None) -> None:
            try:
                if yields is None:
                    raise MissingArtifactError(f"{node.label(None)}: how many children it has is not known")
                spread(node, spreads, yields)
            except MissingArtifactError as error:
                self._add_failing(node, error)
            else:
                self._add(node, late=True)
            self._go_on(late=True)

        waits = tuple(sorted({job for source, _ in spreads for job in source.jobs}))
        self._compiled.plan.growths.append(Growth(group=0, waits=waits, grow=grow))

    def _add(self, node: Node, *, late: bool) -> None:
        self._connect(node)
        try:
            _add_jobs(self._compiled.plan, self._spec, node, self._fetches)
        except Exception as error:
            if not late:
                raise
            self._add_failing(node, error)

    def _add_failing(self, node: Node, error: Exception) -> None:
        """One job in place of the node's, which fails."""

        def fail(yields: Mapping[int, Yield]) -> Resolved:
            raise error

        self._connect(node)
        index = len(self._compiled.plan.jobs)
        node.jobs.append(index)
        job = _job(index, self._spec, node, None, {}, set(), late=fail)
        self._compiled.plan.jobs.append(job)

    def _connect(self, node: Node) -> None:
        """Has the node wait for what its edges come from; all of that has its jobs."""
        if self._left.pop(node.spec.name, None) is None:
            return
        self._compiled.nodes[node.spec.name] = node
        for edge in self._spec.edges:
            source = self._compiled.nodes.get(edge.source)
            if edge.target == node.spec.name and source is not None:
                node.waits.update(source.jobs)
                if edge.target_type in ("input", "parameter"):
                    node.feeds.append((source, edge))
                if edge.source_type == "input":  # what fills it comes from further up
                    node.waits |= source.waits
                    node.waits.update(job for jobs in source.remote.values() for job, _ in jobs)


def _order(spec: PipelineSpec) -> list[str]:
    """Names of the nodes, each after those it waits for, else as defined."""
    sorter: TopologicalSorter[str] = TopologicalSorter({node.name: () for node in spec.nodes})
    for edge in spec.edges:
        sorter.add(edge.target, edge.source)
    return list(sorter.static_order())


def _node(spec: PipelineSpec, node: NodeSpec, control: Control, around: Surroundings, references: References) -> Node:
    source = around.sources[node.commit]
    recipe = _recipe(spec, node, source, around)
    key = around.store.secret_key
    own = [each for name, each in node.inputs.items() if name not in spec.replaced(node)]
    notes = [note for each in own for note in fragile_notes(each)]
    table = NOTHING if node.pinned else shared_table(recipe, node.inputs, around.runtime, key, notes)
    made = Node(
        spec=node,
        pipeline=spec.name,
        path=spec.path,
        recipe=recipe,
        table=table,
        control=control if node.task is None else Control(control, at_once=node.task.at_once),
        references=references,
        secret_key=around.store.secret_key,
    )
    if not node.pinned:
        _resolve_references(made, spec)
    return made


def _resolve_references(node: Node, spec: PipelineSpec) -> None:
    """Looks at the files of every reference now: before anything runs, and once for all children."""
    for name, each in node.spec.inputs.items():
        if name not in spec.replaced(node.spec):
            key = f"{node.spec.key}.inputs.{name}"
            node.static[name] = [
                candidate
                for reference in each.references
                if not depends_on_values(reference) and scheme_of(reference) not in REMOTE
                for candidate in node.references.resolve(reference, path=spec.path, key=key)
            ]


def _add_fetches(
    spec: PipelineSpec, node: Node, child: int | None, own: Mapping[str, Any], fetches: Fetches
) -> set[int]:
    """The jobs that fetch what the references of one job stand for."""
    needed: set[int] = set()
    for name, each in node.spec.inputs.items():
        remote = [reference for reference in each.references if scheme_of(reference) in REMOTE]
        for reference in remote if name not in spec.replaced(node.spec) else ():
            slot = (name, child if depends_on_values(reference) else None)
            if depends_on_values(reference):
                given = {**node.spec.values, **own}
                values = typed_values(node.spec.parameters, given, path=spec.path, key=node.spec.key)
                jobs = fetches.jobs_for(interpolated(reference, values))
            else:
                jobs = fetches.jobs_for(reference)
            known = node.remote.setdefault(slot, [])
            known += [each for each in jobs if each not in known]
            needed.update(job for job, _ in jobs)
    return needed


def _recipe(spec: PipelineSpec, node: NodeSpec, source: Source, around: Surroundings) -> Recipe:
    step = node.step
    observed, source_rule = _source_rule(node, source)
    condition = step.stop_condition or (node.task.stop_condition if node.task is not None else None)
    return Recipe(
        step=step.name,
        image=node.image,
        command=node.command,
        parameters=node.parameters,
        source=source,
        source_files=node.source_files,
        observed=observed,
        source_rule=source_rule,
        source_path=step.source_path,
        environment=node.environment,
        environ=_environ(spec, node, around.environ),
        limits=Limits(
            None if step.time_limit is None else step.time_limit.total_seconds(),
            None if step.no_output_timeout is None else step.no_output_timeout.total_seconds(),
        ),
        stop_condition=condition,
        attempts=ATTEMPTS if node.on_error == "retry" else 1,
        mounts=node.mounts,
        resources=step.resources,
        network=around.network,
    )


def _source_rule(node: NodeSpec, source: Source) -> tuple[str, str]:
    """The file whose reads are observed, if any, and which rule holds for the source in words."""
    if node.source_files is not None:
        return "", f"only what x-source declares counts ({', '.join(node.source_files)})"
    if not node.observe or node.pinned:
        return "", ""
    observed, why = script_of_plain(node.command, source)
    if node.commit is not None:
        observed, why = "", "it runs another commit than the rest of the pipeline"
    return observed, f"observed: what {observed} is seen to read counts" if observed else f"{WHOLE}: {why}"


def _environ(spec: PipelineSpec, node: NodeSpec, outside: Mapping[str, str]) -> dict[str, str]:
    """The step's variables; one that must have a value and has none takes that of the caller's environment."""
    found = {}
    for name, value in node.environ.items():
        if value == REQUIRED:
            if name not in outside:
                raise DefinitionError(
                    f"environment variable '{name}' has no value",
                    path=spec.path,
                    line=node.line,
                    key=node.key,
                    remedy=f"give it a default, or set it: {name}=… crystallize …",
                )
            value = outside[name]
        if value is not None:
            found[name] = value
    return found


def _copy_variables(spec: PipelineSpec, by_name: Mapping[str, NodeSpec]) -> None:
    """Edges between environment variables, in the order of the nodes: their values are known before anything runs."""
    for name in _order(spec):
        for edge in spec.edges:
            if edge.target == name and edge.target_type == "environment-variable":
                value = by_name[edge.source].environ.get(edge.source_key)
                if value is not None:
                    by_name[name].environ[edge.target_key] = value


def _add_jobs(plan: Plan, spec: PipelineSpec, node: Node, fetches: Fetches) -> None:
    children: list[tuple[int | None, dict[str, Any]]] = [(None, {})]
    if node.spec.pinned:
        _add_pinned(plan, node)
        return
    if node.spec.task is not None:
        rows = children_of(node.spec.task, path=spec.path, key=node.spec.key)
        children = list(enumerate(rows, 1))
    for child, own in children:
        fetched = _add_fetches(spec, node, child, own, fetches)
        index = len(plan.jobs)
        node.jobs.append(index)
        plan.jobs.append(_job(index, spec, node, child, own, fetched))


def _job(
    index: int,
    spec: PipelineSpec,
    node: Node,
    child: int | None,
    own: Mapping[str, Any],
    fetched: set[int],
    late: Late | None = None,
) -> Job:
    job = Job(
        index=index,
        label=node.label(child),
        group=0,
        task=None,
        table=node.table,
        own=(),
        waits=tuple(sorted(node.waits | fetched)),
        goes_on=_is_forgiven(node.spec),
        policy=_policy(spec, node.spec),
    )
    if late is not None:
        job.late = late
    elif node.feeds or fetched:
        job.late = partial(resolve, node, child, own)
    else:
        resolved = resolve(node, child, own, {})
        job.task, job.own = resolved.task, resolved.parts
    return job


def _add_pinned(plan: Plan, node: Node) -> None:
    """One job for each record that stands in for the node."""
    for number, record in enumerate(node.spec.pinned, 1):
        index = len(plan.jobs)
        node.jobs.append(index)
        label = node.label(None if len(node.spec.pinned) == 1 else number)
        policy = Exactly(record, node.spec.pinned_why)
        plan.jobs.append(Job(index=index, label=label, group=0, task=None, table=NOTHING, own=(), policy=policy))


def _policy(spec: PipelineSpec, node: NodeSpec) -> Policy:
    reuse = not node.fresh and (spec.reuse or (node.task is not None and node.task.reuse_children))
    return Use() if reuse else Force(REUSE_OFF)


def _is_forgiven(node: NodeSpec) -> bool:
    if node.task is not None and node.task.on_child_error == "continue-and-complete":
        return True
    return node.on_error == "continue"
