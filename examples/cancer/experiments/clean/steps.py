from crystallize import Artifact, FrozenContext, pipeline_step

MISSING = "?"
MALIGNANT = "4"


@pipeline_step()
def drop_incomplete(rows: list[dict[str, str]], ctx: FrozenContext) -> list[dict[str, str]]:
    complete = [row for row in rows if MISSING not in row.values()]
    ctx.record("dropped", len(rows) - len(complete))
    return complete


@pipeline_step()
def name_classes(rows: list[dict[str, str]], *, samples: Artifact):
    named = [
        {
            "malignant": row["class"] == MALIGNANT,
            "grades": {name: int(value) for name, value in row.items() if name != "class"},
        }
        for row in rows
    ]
    samples.write(named)
    return named, {"samples": len(named), "malignant": sum(sample["malignant"] for sample in named)}
