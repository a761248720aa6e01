import csv
from pathlib import Path

from crystallize import data_source

TABLE = Path(__file__).parents[2] / "table" / "breast_cancer.csv"


@data_source(reads=["table/breast_cancer.csv"])
def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
