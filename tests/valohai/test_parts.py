"""What may surprise those who reuse: references that mean other files later."""

import pytest

from crystallize.valohai.parts import fragile_notes
from crystallize.valohai.spec import InputSpec


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("s3://bucket/v1/*.csv", "is a glob on a bucket"),
        ("gs://bucket/latest/train.parquet", "may become another file at any time"),
        ("datum://latest-model", "may become another file at any time"),
        ("https://host/data_current.csv", "may become another file at any time"),
    ],
)
def test_a_reference_that_may_mean_other_files_later_is_noted(reference: str, said: str) -> None:
    [note] = fragile_notes(InputSpec(name="dataset", references=[reference]))

    assert said in note


@pytest.mark.parametrize(
    "reference", ["s3://bucket/v2.1/train.parquet", "raw/*.csv", "data/latest.csv", "s3://b/latests"]
)
def test_others_are_not(reference: str) -> None:
    assert list(fragile_notes(InputSpec(name="dataset", references=[reference]))) == []
