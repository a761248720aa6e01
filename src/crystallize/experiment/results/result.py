"""What an experiment gave: metrics by condition, artifacts, errors, hypotheses, and where all of it came from.

Plain data, made by the runner and compared by value; a reused result equals the one it came from. How results
are printed and exported is in `result_tree.py`, `result_table.py` and `result_html.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.experiment.objects.values import is_same
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult


class Result:
    """What a run of an experiment gave.

    Two results are equal when their metrics, artifacts and errors are; how they came about does not count.

    Attributes
    ----------
    metrics : by condition, with the hypotheses.
    artifacts : file name → condition → path of the first replicate's file.
    errors : ``<condition>_rep_<replicate>`` → the exception, with its text as `traceback_str`.
    provenance : ``pipeline_signature``, ``replicates``, ``seeds`` and ``ctx_changes`` (condition → replicate → one
        record per step).
    name : of the experiment.
    run : number of the run, in the history of the experiment's results.
    pinned : number of the run whose trials were taken as they are, when they were pinned.
    reused, ran : condition → number of replicates.
    memo_hits : how many calls of cacheable steps were replayed from memos, in the trials that ran.
    fetched : how often outside state was fetched for trials.
    reasons : ``<condition>_rep_<replicate>`` → why it ran.
    notices : what the user should know, a sentence each.

    Examples
    --------
    >>> @data_source
    ... def numbers():
    ...     return [1, 2, 3]
    >>> @pipeline_step
    ... def divide(data, ctx, *, by=2):
    ...     ctx.record("share", sum(data) / by)
    ...     return data
    >>> zero = Treatment("zero", {"by": 0})
    >>> result = Experiment(numbers(), Pipeline([divide()]), name="shares", treatments=[zero], replicates=2).run()
    >>> result.metrics.baseline.metrics
    {'share': [3.0, 3.0]}
    >>> print(result.errors["zero_rep_1"])
    step DivideStep failed: ZeroDivisionError: division by zero
    >>> result.print_tree("treatment > step")
    Experiment Summary
    └── baseline
        └── DivideStep
    >>> Result.from_json(result.to_json()).metrics == result.metrics
    True
    """

    def __init__(
        self,
        metrics: ExperimentMetrics,
        artifacts: dict[str, dict[str, Path]] | None = None,
        errors: dict[str, BaseException] | None = None,
        provenance: Mapping[str, Any] | None = None,
        *,
        name: str = "",
    ) -> None:
        self.metrics = metrics
        self.artifacts = artifacts or {}
        self.errors = errors or {}
        self.provenance: Mapping[str, Any] = {} if provenance is None else provenance
        self.name = name
        self.run = 0
        self.pinned: int | None = None
        self.reused: dict[str, int] = {}
        self.ran: dict[str, int] = {}
        self.memo_hits = 0
        self.fetched = 0
        self._reasons: dict[str, str] | Iterable[tuple[str, str]] = {}
        self.notices: list[str] = []

    @property
    def reasons(self) -> dict[str, str]:
        """``<condition>_rep_<replicate>`` → why it ran."""
        self._complete()
        if not isinstance(self._reasons, dict):
            self._reasons = dict(self._reasons)
        return self._reasons

    @reasons.setter
    def reasons(self, value: dict[str, str]) -> None:
        self._reasons = value

    _make: Callable[[], Result]
    """Makes a result with the parts that are not there; gone when they are."""

    def _complete(self) -> None:
        """Makes the parts that are not there."""
        own = vars(self)
        make = own.get("_make")
        if make is not None:
            for part, value in vars(make()).items():
                own.setdefault(part, value)  # what was set since, or made in another thread, stays
            own.pop("_make", None)

    if not TYPE_CHECKING:  # which would believe in any attribute

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_"):
                self._complete()
            if name in vars(self):
                return vars(self)[name]
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)

    def __getstate__(self) -> dict[str, Any]:
        self._complete()
        return vars(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        mine = (self.metrics, self.artifacts, self.errors)
        return is_same(mine, (other.metrics, other.artifacts, other.errors))

    def get_artifact(self, name: str) -> dict[str, Path] | None:
        """Condition → path of the artifact with this file name, or None."""
        return self.artifacts.get(name)

    def get_hypothesis(self, name: str) -> HypothesisResult | None:
        """What the hypothesis of this name says, or None."""
        return next((each for each in self.metrics.hypotheses if each.name == name), None)

    def print_tree(self, fmt: str = "treatment > replicate > step") -> None:
        """Print what the steps read and wrote as a tree.

        `fmt` orders the levels: ``treatment``, ``replicate``, ``step`` and, only as the last one, ``action``.
        Any may be left out. Raises ValueError for anything else.
        """
        from crystallize.experiment.results.result_tree import print_tree

        print_tree(self.provenance.get("ctx_changes", {}), fmt)

    def to_dict(self) -> dict[str, Any]:
        """The result as values that JSON can show, with the time of the call; `from_dict` reads it."""
        from crystallize.experiment.results.result_json import told_of

        return told_of(self.name, self.metrics, self.artifacts, self.errors, self.provenance)

    def to_json(self, path: Path | str | None = None, indent: int | None = 2) -> str | None:
        """The result as JSON; written to `path` instead, when one is given."""
        import json

        text = json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8")
        return None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Result:
        """The result that `to_dict` told of: its values in the form that JSON has of them, its errors by their texts.

        Raises ValidationError where that is no result.
        """
        from crystallize.experiment.results.result_json import parts_of

        return cls(**parts_of(told))

    @classmethod
    def from_json(cls, source: Path | str) -> Result:
        """As `from_dict`, of the text that `to_json` gave, or of the file at a `Path` that it wrote."""
        import json

        return cls.from_dict(json.loads(source.read_text(encoding="utf-8") if isinstance(source, Path) else source))

    def to_df(self) -> Any:
        """A pandas frame with a row for each recorded value: condition, replicate, metric, value, and its tags.

        The tags are columns of their own, among them ``step`` for the points of curves. Raises ImportError without
        pandas.
        """
        from crystallize.experiment.results.result_table import values_frame

        return values_frame(
            (condition, metric, each.replicates_of(metric), values, each.tags_of(metric))
            for condition, each in self.metrics.parts()
            for metric, values in each.metrics.items()
        )

    def to_parquet(self, path: Path | str) -> None:
        """Write a table: condition, metric, its values and their mean.

        Values are numbers when all of all metrics are, else JSON texts. Raises ImportError without pandas or
        an engine for parquet.
        """
        from crystallize.experiment.results.result_table import metrics_frame

        metrics_frame(self.metrics.conditions()).to_parquet(path)

    def __repr__(self) -> str:
        conditions = ", ".join(name for name, _ in self.metrics.conditions())
        ran, reused = sum(self.ran.values()), sum(self.reused.values())
        return f"Result({self.name!r}: {conditions}; {ran} ran, {reused} reused, {len(self.errors)} errors)"

    def _repr_html_(self) -> str:
        from crystallize.experiment.results.ends import ends
        from crystallize.experiment.results.result_html import result_html

        return result_html(
            self.name,
            ((condition, ends(part)) for condition, part in self.metrics.parts()),
            counts={name: (self.ran[name], self.reused.get(name, 0)) for name in self.ran},
            errors=self.errors,
            notices=self.notices,
        )


def made_later(
    make: Callable[[], Result], *, name: str, errors: dict[str, BaseException], notices: list[str]
) -> Result:
    """A result of which these parts are there, and the others when somebody looks at one of them.

    `make` gives a result that has them. It may be called long after the run, from any thread, and comes to the same.
    """
    result = Result.__new__(Result)
    result.name, result.errors, result.notices = name, errors, notices
    result.run = 0
    result._make = make
    return result
