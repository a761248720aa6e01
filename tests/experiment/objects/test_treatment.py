import copy
import pickle
from typing import Any

import pytest

from crystallize.errors import ContextMutationError, DefinitionError
from crystallize.experiment.objects.context import FrozenContext, standalone_context
from crystallize.experiment.objects.treatment import Treatment, treatment


@pytest.mark.contract("1.5.1")
def test_a_mapping_is_added_to_the_context() -> None:
    ctx = standalone_context()
    payload = {"rate": 0.1}
    high = Treatment("high", payload)
    payload["rate"] = 5

    high.apply(ctx)

    assert ctx["rate"] == 0.1
    assert high.apply_map == {"rate": 0.1}


@pytest.mark.contract("1.5.1")
def test_a_function_changes_the_context() -> None:
    ctx = standalone_context()

    def raise_rate(ctx: FrozenContext) -> None:
        ctx["rate"] = 1

    high = treatment("high", raise_rate)
    high.apply(ctx)

    assert ctx["rate"] == 1
    assert high.apply_map == {}
    assert high.definition is raise_rate


@pytest.mark.contract("1.5.3")
def test_the_decorator_gives_a_factory() -> None:
    @treatment("high")
    def high(ctx: FrozenContext) -> None:
        """Raises."""
        ctx["rate"] = 2

    ctx = standalone_context()
    high().apply(ctx)

    assert (high().name, high.__doc__, ctx["rate"]) == ("high", "Raises.", 2)


def test_a_key_that_is_set_already_cannot_be_treated() -> None:
    with pytest.raises(ContextMutationError, match="'replicate'"):
        Treatment("high", {"replicate": 1}).apply(standalone_context({"replicate": 0}))


@pytest.mark.parametrize("name", ["", "a/b", "..", "replicate_1", ".hidden"])
def test_an_unsafe_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="condition name"):
        Treatment(name, {})
    with pytest.raises(DefinitionError, match="condition name"):
        treatment(name)(lambda ctx: None)


@pytest.mark.parametrize("apply", [3, "text", [("a", 1)], {1: 2}])
def test_what_is_no_change_is_refused(apply: Any) -> None:
    with pytest.raises(TypeError, match="treatment 'high'"):
        Treatment("high", apply)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_treatments_can_be_copied_and_pickled(again: Any) -> None:
    first, second = standalone_context(), standalone_context()

    again(Treatment("a", {"k": [1]})).apply(first)
    again(Treatment("b", lambda ctx: ctx.add("k", 2))).apply(second)

    assert (first["k"], second["k"]) == ([1], 2)
