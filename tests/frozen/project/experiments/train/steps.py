from crystallize import Artifact, pipeline_step

FACTOR = 2


def scale(x):
    return x * FACTOR


@pipeline_step()
def fit(data, boost=0, *, rate, score: Artifact, weights: Artifact):
    """Writes a small and a large artifact."""
    value = sum(scale(x) for x in data) * rate + boost
    score.write(value)
    weights.write(b"weights " * 2500)
    return value, {"score": value}
