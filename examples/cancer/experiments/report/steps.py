from statistics import fmean, stdev

from crystallize import Artifact, FrozenContext, pipeline_step


@pipeline_step()
def summarise(data: dict, ctx: FrozenContext, *, report: Artifact):
    accuracy = [score["accuracy"] for score in data["scores"]]
    missed = [score["missed"] for score in data["scores"]]
    line = f"{ctx['condition']}: right in {fmean(accuracy):.1%} ± {stdev(accuracy):.1%}, missed {fmean(missed):.1%}"
    report.write({"line": line, "replicates": len(accuracy)})
    return data, {"mean_accuracy": fmean(accuracy), "worst_accuracy": min(accuracy), "mean_missed": fmean(missed)}
