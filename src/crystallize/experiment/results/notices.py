"""Notices: what the user should know of the trials of one experiment beside their results, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crystallize.errors import close_to
from crystallize.experiment.compiling.node import Asked, Node
from crystallize.experiment.objects.constants import BASELINE_CONDITION, SAME_AS, UNSTEADY
from crystallize.experiment.objects.links import name_of
from crystallize.experiment.results.collect import Collected
from crystallize.store.compare import DIFFERS
from crystallize.store.record import Record
from crystallize.store.store import Store


class Notices:
    """Of one experiment whose trials are all settled."""

    def __init__(self, node: Node, collected: Collected, store: Store, asked: Asked) -> None:
        self._node = node
        self._collected = collected
        self._store = store
        self._asked = asked
        self._ends = collected.ends()
        self._ran = [end for end in self._ends if not end.how.reused]

    def told(self) -> list[str]:
        """All there is to tell."""
        node, experiment = self._node, self._node.experiment
        told = [*experiment.notices, *node.switched]
        if node.view is not None:
            told += [f"{path} was changed or removed by hand and is restored" for path in node.view.restored]
        if not self._store.database.writable:  # a run that reuses everything needs no more
            told.append(f"{self._store.folder} cannot be written: the history has no trace of this run")
        told += node.loop_notices()
        if node.pinned is not None:
            told += node.pinned.notices(self._asked.replicates or experiment.replicates)
        if self._collected.fetches:
            told += self._fetched(self._collected.fetches)
        has_facts = any(end.how.facts for end in self._ends)
        told += self._of_others()
        if has_facts:
            told += self._two_outcomes()
        if self._ran:
            told += self._not_reusable()
            told += self._not_kept()
            told += self._without_memos()
        if experiment.outputs:
            told += self._unwritten()
        if has_facts:
            told += self._unread()
        if self._collected.replicates > 1 and not node.paired:
            told += self._same_seeds()
        if self._asked.hypotheses_of(experiment):
            told += self._uncomparable()
        return told

    def _fetched(self, fetches: Sequence[Record]) -> Iterator[str]:
        """Whether outside state is as it was when it was fetched last."""
        runs = {fetch.facts[SAME_AS] for fetch in fetches if SAME_AS in fetch.facts}
        same = sum(SAME_AS in fetch.facts for fetch in fetches)
        if runs:
            names = ", ".join(map(name_of, self._node.volatile.values()))
            share = "" if same == len(fetches) else f"in {same} of {len(fetches)} fetches "
            yield f"{names}: {share}the contents are those of run {max(runs)}"
        yield from dict.fromkeys(note for fetch in fetches for note in fetch.facts.get(UNSTEADY, ()))

    def _of_others(self) -> Iterator[str]:
        """Records of another experiment that served here: the same code and inputs under another name."""
        found: dict[str, list[str]] = {}
        own = f"{self._node.experiment.label}/"
        for end in self._ends:
            if end.how.reused and not end.label.startswith(own):
                found.setdefault(end.label.split("/", 1)[0], []).append(end.label)
        for owner, labels in found.items():
            more = f" and {len(labels) - 1} others of '{owner}'" if len(labels) > 1 else ""
            yield f"reuses the record of {labels[0]}{more}: nothing that counts differs"

    def _two_outcomes(self) -> Iterator[str]:
        """Trials whose fingerprint has ever yielded two different outcomes; the first of them in words."""
        differing = [end for end in self._ends if DIFFERS in end.how.facts]
        if differing:
            more = f" ({len(differing) - 1} other trials likewise)" if len(differing) > 1 else ""
            yield f"{differing[0].label}: {differing[0].how.facts[DIFFERS]}{more}; crystallize audit names the step"

    def _not_reusable(self) -> Iterator[str]:
        """Why trials that succeeded will run again, each reason once."""
        by_note: dict[str, list[str]] = {}
        for condition, replicate, end in self._collected.all():
            if end.how.note is not None:
                by_note.setdefault(end.how.note, []).append(f"{condition}/{replicate}")
        for note, trials in by_note.items():
            yield f"{', '.join(trials[:3])}{' and others' if len(trials) > 3 else ''}: {note}"

    def _not_kept(self) -> list[str]:
        """Why steps that are cacheable were not kept in trials that ran, each reason once."""
        return list(dict.fromkeys(note for end in self._ran for note in end.how.facts.get("memo_notes", ())))

    def _without_memos(self) -> list[str]:
        """That steps are cacheable, and memos stay on one machine."""
        steps = [type(step).__name__ for step in self._node.experiment.pipeline.steps if step.cacheable]
        if not steps or not self._node.is_far:
            return []
        return [f"{', '.join(steps)}: cacheable, and yet ran in every trial; on Ray there are no step memos"]

    def _unwritten(self) -> Iterator[str]:
        """Declared outputs that trials did not write."""
        declared = {artifact.name for artifact in self._node.experiment.outputs.values()}
        ended = [end.how.files for end in self._ends if end.how.succeeded]
        for name in sorted(declared):
            lacking = sum([name not in [file for file, _, _ in written] for written in ended])
            if lacking:
                yield f"output '{name}' is declared, and {lacking} of {len(ended)} trials did not write it"

    def _unread(self) -> Iterator[str]:
        """Design 5.5: a treatment must not look like "no effect" because of a misspelt key."""
        for condition in self._collected.conditions:
            facts = [end.how.facts for _, end in self._collected.of(condition) if end.how.succeeded]
            if not facts or not all("unread" in each for each in facts):
                continue
            for key in sorted(set.intersection(*(set(each["unread"]) for each in facts))):
                near = close_to(key, {name for each in facts for name in each["asked"]}, count=1)
                nearest = f"; nearest: {near[0]}" if near else ""
                yield f"{condition} sets {key}, which nothing reads{nearest}"

    def _same_seeds(self) -> Iterator[str]:
        """Replicates that share seed, code and data count as one sample, however many there are."""
        by_seed: dict[Any, set[int]] = {}
        for _, replicate, end in self._collected.all():
            if end.how.succeeded:
                by_seed.setdefault(end.seed, set()).add(replicate)
        for seed, replicates in by_seed.items():
            if seed is not None and len(replicates) > 1:
                listed = ", ".join(map(str, sorted(replicates)[:5])) + (", …" if len(replicates) > 5 else "")
                yield (
                    f"replicates {listed} share the seed {seed} and their code: they are no independent samples; "
                    "leave auto_seed of SeedPlugin on"
                )

    def _uncomparable(self) -> Iterator[str]:
        """Replicates whose hypotheses lack a baseline."""
        compared = {replicate for replicate, end in self._collected.of(BASELINE_CONDITION) if end.how.succeeded}
        for condition in self._collected.conditions:
            lacking = [
                str(replicate)
                for replicate, end in self._collected.of(condition)
                if end.how.succeeded and replicate not in compared
            ]
            if lacking:
                yield f"{condition}: replicates {', '.join(lacking)} have no baseline to compare with"
