from crystallize import pipeline_step, Artifact

@pipeline_step()
def produce_summary(data: dict, *, summary: Artifact):
    summary.write({"total": sum(data["numbers"])})
    return data
