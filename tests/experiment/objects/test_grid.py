"""Treatments of grids and lists: one per combination, under names that are made of values alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize import Treatment, data_source


def names(treatments: list[Treatment]) -> list[str]:
    return [treatment.name for treatment in treatments]


def test_a_grid_has_a_treatment_for_every_combination() -> None:
    grid = Treatment.grid({"lr": [0.1, 0.01], "depth": [2, 4]})

    assert names(grid) == ["lr=0.1,depth=2", "lr=0.1,depth=4", "lr=0.01,depth=2", "lr=0.01,depth=4"]
    assert grid[1].apply_map == {"lr": 0.1, "depth": 4}


def test_fixed_values_and_a_datasource_are_the_same_for_all() -> None:
    @data_source
    def other() -> int:
        return 1

    source = other()
    grid = Treatment.grid({"lr": [1, 2]}, name="sweep", fixed={"epochs": 5}, datasource=source)

    assert names(grid) == ["sweep-lr=1", "sweep-lr=2"]
    assert [each.apply_map for each in grid] == [{"epochs": 5, "lr": 1}, {"epochs": 5, "lr": 2}]
    assert all(each.datasource is source for each in grid)


def test_a_list_has_a_treatment_for_each_payload() -> None:
    treatments = Treatment.each([{"lr": 1}, {"lr": 2, "depth": 3}], name="picked")

    assert names(treatments) == ["picked-lr=1", "picked-lr=2,depth=3"]


@pytest.mark.parametrize(
    ("value", "told"),
    [(True, "true"), (None, "none"), (1e-05, "1e-05"), ("adam", "adam"), ("x y", "x y"), (-3, "-3")],
)
def test_plain_values_are_told_as_they_are(value: object, told: str) -> None:
    [treatment] = Treatment.grid({"k": [value]})

    assert treatment.name == f"k={told}"


@pytest.mark.parametrize("value", ["a/b", "", ".", [1, 2], {"a": 1}, "q" * 100, object, "line\nbreak"])
def test_values_that_no_folder_may_be_called_after_are_told_by_their_digest(value: object) -> None:
    [first] = Treatment.grid({"k": [value]})
    [second] = Treatment.grid({"k": [value]})

    assert first.name == second.name
    assert len(first.name) < 40


@given(st.lists(st.integers() | st.floats(allow_nan=False) | st.booleans(), min_size=1, unique_by=repr))
def test_a_further_value_names_none_of_the_others_anew(values: list[object]) -> None:
    fewer = names(Treatment.grid({"a": values[:1], "b": [1, 2]}))

    assert set(fewer) <= set(names(Treatment.grid({"a": values, "b": [2, 1]})))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "the grid has no keys"),
        ({"lr": []}, "'lr' has no values"),
        ({"lr": 0.1}, "'lr' has the value 0.1, which is no list"),
        ({"lr": "0.1"}, "which is no list"),
    ],
)
def test_what_is_no_grid_is_refused(grid: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Treatment.grid(grid)  # type: ignore[arg-type]


def test_what_is_no_list_of_payloads_is_refused() -> None:
    with pytest.raises(TypeError, match="write a list of mappings"):
        Treatment.each([3])  # type: ignore[list-item]
