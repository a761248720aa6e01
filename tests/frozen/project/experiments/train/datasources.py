from crystallize import data_source


@data_source
def numbers(ctx, size=3):
    return list(range(size))
