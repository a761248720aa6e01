"""The summary: metrics, artifacts and failures as people read them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from crystallize.errors import BlockedError, DefinitionError, PipelineExecutionError
from crystallize.experiment.reports.summary import print_artifacts, print_faults, print_metrics, print_results, told
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics


def console() -> Console:
    return Console(file=StringIO(), width=160, highlight=False, markup=False)


def text_of(used: Console) -> str:
    assert isinstance(used.file, StringIO)
    return "\n".join(row.rstrip() for row in used.file.getvalue().splitlines())


def result(**metrics: dict[str, list[float]]) -> Result:
    baseline = TreatmentMetrics(metrics.pop("baseline", {}))
    made = Result(ExperimentMetrics(baseline, {name: TreatmentMetrics(each) for name, each in metrics.items()}))
    made.provenance = {"replicates": 1}
    return made


def raised(message: str) -> ValueError:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_the_longer_of_conditions_and_metrics_goes_downwards() -> None:
    few, many = console(), console()

    print_metrics(few, [("baseline", {"loss": [1.0]}), ("strong", {"loss": [2.0]})])
    print_metrics(many, [("baseline", {"loss": [1.0], "gain": [2.0]})])

    assert text_of(few).split() == ["condition", "loss", "baseline", "1", "strong", "2"]
    assert text_of(many).split() == ["metric", "baseline", "loss", "1", "gain", "2"]


def test_several_replicates_are_told_by_mean_deviation_and_count() -> None:
    used = console()

    print_metrics(used, [("baseline", {"loss": [1.0, 2.0, 3.0]})])

    assert "2 ± 1 (n = 3)" in text_of(used)


def test_a_metric_that_a_condition_lacks_stays_empty_and_no_metrics_print_nothing() -> None:
    used, nothing = console(), console()

    print_metrics(used, [("baseline", {"loss": [1.0]}), ("strong", {"gain": [2.0]})])
    print_metrics(nothing, [("baseline", {})])

    assert text_of(used).splitlines()[1].split() == ["baseline", "1"]
    assert text_of(nothing) == ""


def test_artifacts_are_one_path_that_a_shell_expands(tmp_path: Path) -> None:
    used = console()
    paths = {name: tmp_path / f"data/train/v0/replicate_0/{name}/FitStep/s.json" for name in ("baseline", "strong")}

    print_artifacts(used, {"s.json": paths}, 10)

    assert text_of(used).split() == ["s.json", "data/train/v0/replicate_{0..9}/{baseline,strong}/FitStep/s.json"]


def test_a_single_artifact_is_its_plain_path(tmp_path: Path) -> None:
    used = console()

    print_artifacts(used, {"s.json": {"baseline": tmp_path / "data/train/v0/replicate_0/baseline/FitStep/s.json"}}, 1)

    assert text_of(used).split() == ["s.json", "data/train/v0/replicate_0/baseline/FitStep/s.json"]


def test_trials_that_failed_alike_are_told_once_with_the_users_frames_only() -> None:
    used, made = console(), result()
    error = raised("does not\nconverge")
    made.errors = {f"weak_rep_{r}": PipelineExecutionError("FitStep", error) for r in (0, 1, 2, 5)}

    print_results(used, {"train": made})

    assert text_of(used).count("ValueError: does not") == 1
    assert "failed: weak, replicates 0-2, 5" in text_of(used)
    assert "test_summary.py" in text_of(used)
    assert "crystallize/" not in text_of(used).replace(str(Path(__file__)), "")


def test_blocked_trials_are_told_in_one_line_each_and_then_counted() -> None:
    used, made = console(), result()
    made.errors = {f"baseline_rep_{r}": BlockedError(f"report/{r} was not run\nbecause") for r in range(10)}

    print_results(used, {"report": made})

    assert text_of(used).count("blocked:") == 4
    assert "and 7 more trials" in text_of(used)


def test_a_failure_without_the_users_code_is_one_line() -> None:
    assert told(ValueError("x")) == "ValueError: x"
    assert told(DefinitionError("wrong", path="a.yaml", line=3, remedy="mend it")) == "a.yaml:3: wrong; mend it"
    assert told(PipelineExecutionError("FitStep", KeyError("k"))) == "step FitStep failed: KeyError: 'k'"


def test_a_notice_of_all_experiments_is_told_once() -> None:
    used, one, other = console(), result(), result()
    one.notices, other.notices = ["rerun: saved nothing", "mine"], ["rerun: saved nothing"]

    print_results(used, {"one": one, "other": other})

    assert text_of(used).count("rerun: saved nothing") == 1
    assert text_of(used).count("mine") == 1


def test_hypotheses_name_the_best_and_what_the_verifier_said_best_first() -> None:
    used, made = console(), result()
    ranking = {"best": "strong", "ranked": [("strong", 0.01), ("weak", 0.5)]}
    said = {"weak": {"p_value": 0.5}, "strong": [{"p_value": 0.01}, {"p_value": 0.02}]}
    made.metrics.hypotheses.append(HypothesisResult("helps", said, ranking))

    print_results(used, {"train": made})

    rows = [row.split() for row in text_of(used).splitlines()]
    assert ["hypothesis", "helps:", "best", "strong"] in rows
    assert rows[2:6] == [["treatment", "p_value"], ["strong", "0.01"], ["strong", "0.02"], ["weak", "0.5"]]


def test_faults_are_one_line_each_below_the_traceback_of_the_users_code() -> None:
    used = console()
    fault = DefinitionError("cannot be\nloaded", path="steps.py")
    fault.traceback_text = "Traceback\n  somewhere\n"  # type: ignore[attr-defined]

    print_faults(used, [fault, BlockedError("reads it")])

    assert text_of(used).splitlines() == [
        "Traceback",
        "  somewhere",
        "error: steps.py: cannot be loaded",
        "blocked: reads it",
    ]


def test_conditions_say_how_many_replicates_are_fresh_where_the_heading_leaves_it_open() -> None:
    mixed, whole = console(), console()
    some, all_reused = result(), result()
    some.ran, some.reused = {"baseline": 0, "low": 2, "high": 2}, {"baseline": 10, "low": 8, "high": 8}
    all_reused.ran, all_reused.reused = {"baseline": 0, "low": 0}, {"baseline": 10, "low": 10}

    print_results(mixed, {"train": some})
    print_results(whole, {"train": all_reused})

    assert "  baseline: 10 reused · low, high: 2 fresh, 8 reused" in text_of(mixed).splitlines()
    assert "fresh" not in text_of(whole) and "baseline" not in text_of(whole)
