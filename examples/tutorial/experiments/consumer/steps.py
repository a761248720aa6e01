from crystallize import pipeline_step

@pipeline_step()
def inspect_summary(data: dict):
    summary = data["producer_summary"]           # already a dict thanks to load_json
    total = summary["total"]
    return data, {"total_from_producer": total}
