from crystallize import data_source, FrozenContext

@data_source
def numbers(ctx: FrozenContext) -> dict[str, list[int]]:
    return {"numbers": [1, 2, 3]}
