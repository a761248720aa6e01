"""What becomes of nodes, and what follows from it: errors that stop a pipeline, and the actions that nodes define.

A watcher: it follows the events of a run and says through its control when the run must not go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from crystallize.errors import message_of
from crystallize.plan import events
from crystallize.valohai.compile import Compiled
from crystallize.valohai.conditions import all_hold
from crystallize.valohai.control import Control
from crystallize.valohai.flow import Node

STARTING, COMPLETE, ERROR = "node-starting", "node-complete", "node-error"
_SETTLED = (events.JobReused, events.JobDone, events.JobFailed, events.JobBlocked, events.JobCancelled)


class Actions:
    """The nodes of one run.

    Parameters
    ----------
    control : of the run.
    """

    def __init__(self, compiled: Compiled, control: Control) -> None:
        self._control = control
        self._compiled = compiled
        self._nodes: dict[int, Node] = {}
        self._left: Counter[str] = Counter()
        self._failed: dict[str, BaseException] = {}
        self._started: set[str] = set()
        self._metadata: dict[str, dict[str, Any]] = {}
        self._parameters: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        """Why the pipeline has failed although all that ran succeeded: actions that say so."""
        self.notices: list[str] = []
        """What actions have done, and what of them is not carried out."""
        self._take_up()

    def __call__(self, event: events.Event) -> None:
        """Follows one event."""
        if isinstance(event, events.PlanGrew):
            self._take_up()
        elif isinstance(event, events.JobStarted):
            node = self._nodes.get(event.job.index)
            if node is not None and node.spec.name not in self._started:
                self._started.add(node.spec.name)
                self._act(node, STARTING)
        elif isinstance(event, _SETTLED):
            node = self._nodes.get(event.job.index)
            if node is not None:
                self._settle(node, event)

    def _take_up(self) -> None:
        """Takes up the jobs that the nodes have by now."""
        for name, node in self._compiled.nodes.items():
            for job in node.jobs:
                if job not in self._nodes:
                    self._nodes[job] = node
                    self._left[name] += 1

    def _settle(
        self,
        node: Node,
        event: events.JobReused | events.JobDone | events.JobFailed | events.JobBlocked | events.JobCancelled,
    ) -> None:
        name = node.spec.name
        self._left[name] -= 1
        if isinstance(event, (events.JobReused, events.JobDone)):
            self._note(name, event.record.metrics, event.record.facts)
        elif isinstance(event, events.JobFailed):
            self._failed[name] = event.error
            task = node.spec.task
            if task is not None and task.on_child_error == "stop-all-and-error":
                node.control.stop(f"a child failed: {message_of(event.error)}")
        if not self._left[name] and not self._control.stopped:
            self._conclude(node)

    def _conclude(self, node: Node) -> None:
        error = self._failed.get(node.spec.name)
        task = node.spec.task
        if error is None or (task is not None and task.on_child_error == "continue-and-complete"):
            self._act(node, COMPLETE)
            return
        self._act(node, ERROR)
        if node.spec.on_error in ("stop-all", "retry"):
            self._control.stop(f"{node.label(None)} failed")

    def _note(self, node: str, metrics: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._metadata.setdefault(node, {}).update({key: values[-1] for key, values in metrics.items() if values})
        self._parameters.setdefault(node, {}).update(facts.get("parameters", {}))

    def _act(self, node: Node, when: str) -> None:
        name = node.spec.name
        for action in node.spec.actions:
            parameters = self._parameters.get(name, node.spec.values)
            if when in action.when and all_hold(action.conditions, self._metadata.get(name, {}), parameters):
                for then in action.then:
                    self._carry_out(node, when, then)

    def _carry_out(self, node: Node, when: str, then: str) -> None:
        told = f"{node.label(None)}: {when}: {then}"
        if then == "stop-pipeline":
            self.notices.append(told)
            self._control.stop(told)
        elif then == "error-pipeline":
            self.errors.append(told)
            self._control.stop(told)
        elif then == "require-approval":
            self.notices.append(f"{told}: nobody can be asked here; the pipeline goes on")
        elif then != "noop":
            self.notices.append(f"{told}: not known, nothing is done")
