"""The group of each experiment in the plan, with what its trials do and the view that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from crystallize.engine.executors import SERIAL
from crystallize.experiment.compiling.node import Asked, Node
from crystallize.experiment.compiling.placing import REMOTE, SHARED, on_ray, placed
from crystallize.experiment.loop import Loop
from crystallize.experiment.objects.limits import needs_of
from crystallize.experiment.results.view import ExperimentView
from crystallize.experiment.results.view_files import newest_version, view_folder
from crystallize.experiment.results.view_rows import ViewRows
from crystallize.experiment.trial import TrialWork
from crystallize.experiment.upstream import UpstreamWork
from crystallize.plan.job import Group
from crystallize.plan.plan import Plan
from crystallize.session import Session

KIND = "trial/1"


def add_group(plan: Plan, node: Node, rows: Mapping[Path, ViewRows], session: Session, asked: Asked) -> None:
    """Adds the group of `node` to the plan; gives the node its work and, where it runs, its view."""
    experiment, root = node.experiment, node.root
    node.group = len(plan.groups)
    if not node.runs:
        plan.groups.append(Group(name=experiment.label, kind=KIND, work=UpstreamWork(experiment), root=root))
        return
    shown = experiment.artifacts
    node.signature = experiment.pipeline.signature()
    node.view = ExperimentView(
        rows[root],
        experiment.label,
        named=experiment.name,
        identity=experiment.identity,
        rests_on=experiment.identify(node.signature),
        versioned=shown.versioned,
        keep_versions=shown.kept_versions(session.settings.artifact_retention),
        big_bytes=shown.big_megabytes(session.settings.big_file_threshold_mb) * 2**20,
        conditions=node.defined,
        replicates=max(node.replicates, experiment.defined_replicates or 1),
    )
    steps = [(type(step).__name__, step.limits) for step in experiment.pipeline.steps]
    needs = needs_of(experiment.limits, steps)
    kind, workers = placed(experiment, len(node.conditions) * node.replicates, needs, asked, session.settings)
    node.work = TrialWork(experiment, node.trial_links, node.treatments, node.view.top, node.volatile)
    node.work.elsewhere = kind not in (SERIAL, *SHARED)
    node.work.threads, node.work.replicates = kind == "thread", node.replicates
    node.runs_serially, node.is_far = kind == SERIAL, kind in REMOTE
    plugin = experiment.loop_plugin
    loop = None if plugin is None else Loop(plugin, node, session.store(root))
    if loop is not None:
        node.loop_notices = loop.notices
    group = Group(
        name=experiment.label,
        kind=KIND,
        work=node.work,
        root=root,
        executor=kind,
        workers=workers,
        needs=needs,
        lead=loop,
    )
    if node.is_far:
        ray = on_ray(experiment)
        group.needs = needs_of(experiment.limits, steps, ray.limits)
        group.address = asked.address or ray.address
    plan.groups.append(group)


def rows_of_views(nodes: Sequence[Node], session: Session) -> dict[Path, ViewRows]:
    """Artifact root → the rows of all views in it, read at once."""
    folders: dict[Path, list[str]] = {}
    roots: dict[str | Path, Path] = {}
    for node in nodes:
        shown = node.experiment.artifacts
        node.root = roots.get(shown.root_dir) or roots.setdefault(shown.root_dir, node.experiment.artifact_root)
        if node.runs:
            version = newest_version(node.root / node.experiment.label) if shown.versioned else 0
            folders.setdefault(node.root, []).append(view_folder(node.experiment.label, version))
    return {root: ViewRows(session.store(root), listed) for root, listed in folders.items()}
