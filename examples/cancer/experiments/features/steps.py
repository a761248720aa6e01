from crystallize import Artifact, pipeline_step

LOWEST, HIGHEST = 1, 10


@pipeline_step()
def scale(data: dict, *, features: Artifact):
    samples = data["samples"]
    scaled = {
        "columns": list(samples[0]["grades"]),
        "points": [[between_0_and_1(grade) for grade in sample["grades"].values()] for sample in samples],
        "malignant": [sample["malignant"] for sample in samples],
    }
    features.write(scaled)
    return scaled, {"columns": len(scaled["columns"])}


def between_0_and_1(grade: int) -> float:
    return (grade - LOWEST) / (HIGHEST - LOWEST)
