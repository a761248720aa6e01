"""A small project with treatments, replicates, a hypothesis and a step that can be told to fail."""

from __future__ import annotations

TRAINING = {
    "experiments/clean/config.yaml": """
        outputs:
          rows: {file_name: rows.json, writer: dump, loader: load}
        steps:
          - tidy
        """,
    "experiments/clean/datasources.py": """
        from crystallize import data_source

        @data_source
        def numbers(ctx, size=3):
            return list(range(size))
        """,
    "experiments/clean/outputs.py": """
        import json

        def dump(value):
            return json.dumps(value)

        def load(path):
            return json.loads(path.read_text(encoding="utf-8"))
        """,
    "experiments/clean/steps.py": """
        from crystallize import Artifact, pipeline_step

        FACTOR = 2

        def scale(x):
            return x * FACTOR

        @pipeline_step()
        def tidy(data, *, rows: Artifact):
            print("tidying")
            rows.write([scale(x) for x in data])
            return data, {"rows": len(data)}
        """,
    "experiments/train/config.yaml": """
        replicates: 2
        datasource:
          rows: clean#rows
        outputs:
          score: {writer: dump}
        steps:
          - fit: {rate: 0.5}
        treatments:
          strong: {boost: 3}
        hypotheses:
          - {verifier: better, metrics: [score], name: boost helps}
        """,
    "experiments/train/outputs.py": """
        def dump(value):
            return str(value)
        """,
    "experiments/train/steps.py": """
        from crystallize import Artifact, pipeline_step

        FAILS = ""

        @pipeline_step()
        def fit(data, ctx, boost=0, *, rate, score: Artifact):
            if ctx["condition"] == FAILS:
                raise ValueError(f"{FAILS} does not converge")
            value = sum(data["rows"]) * rate + boost
            score.write(value)
            return value, {"score": value}
        """,
    "experiments/train/verifiers.py": """
        from crystallize import verifier

        @verifier
        def better(baseline, treatment):
            return {"difference": treatment["score"][0] - baseline["score"][0], "p_value": 0.01}
        """,
    "experiments/report/config.yaml": """
        datasource:
          scores: train#score[*]
        steps:
          - tell
        """,
    "experiments/report/steps.py": """
        from crystallize import pipeline_step

        @pipeline_step()
        def tell(data):
            return data, {"scores": len(data["scores"])}
        """,
}
"""Path → text: clean → train (baseline and strong, two replicates) → report (gathers)."""
