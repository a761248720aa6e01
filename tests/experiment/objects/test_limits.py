"""What a step or an experiment may take and needs."""

from __future__ import annotations

from typing import Any

import pytest

from crystallize.errors import DefinitionError
from crystallize.experiment.objects.limits import Limits


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(30, 30), (0.5, 0.5), ("30", 30), (" 1.5 ", 1.5), ("30s", 30), ("5min", 300), ("2 h", 7200), ("2d", 172_800)],
)
def test_a_timeout_is_seconds_with_a_unit_or_without(timeout: Any, seconds: float) -> None:
    assert Limits.of(timeout=timeout).timeout == seconds


@pytest.mark.parametrize(("memory", "size"), [(1024, 1024), ("500MB", 500_000_000), ("4GiB", 2**32), ("1 tb", 10**12)])
def test_memory_is_bytes(memory: Any, size: int) -> None:
    assert Limits.of(resources={"memory": memory}).memory == size


@pytest.mark.parametrize("wrong", [0, "0", "0.0h", True, False, -1, "-1s", "", " ", "soon", "5 dogs", float("inf"), []])
def test_what_is_no_quantity_is_refused_with_examples(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"timeout: .* cannot be understood; write 30, '30s', '5min' or '2h'"):
        Limits.of(timeout=wrong)
    with pytest.raises(DefinitionError, match=r"resources.memory: .* cannot be understood; write '500MB' or '4GiB'"):
        Limits.of(resources={"memory": wrong})
