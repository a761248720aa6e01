import copy
import pickle
import threading
from typing import Any

import pytest

from crystallize.experiment.objects.context import FrozenContext, standalone_context
from crystallize.experiment.objects.resource import resource_factory
from crystallize.experiment.objects.step import pipeline_step


def client_for(host: str) -> Any:
    return resource_factory(lambda ctx: [host])


@pytest.mark.contract("1.4.17")
def test_a_resource_is_made_once_per_thread() -> None:
    resource = resource_factory(lambda ctx: object())
    here = resource(standalone_context())
    there: list[object] = []
    thread = threading.Thread(target=lambda: there.append(resource(standalone_context())))

    thread.start()
    thread.join()

    assert here is resource(standalone_context())
    assert here is not there[0]


@pytest.mark.contract("1.4.17")
def test_closures_of_one_function_have_resources_of_their_own() -> None:
    first, second = client_for("a"), client_for("b")
    ctx = standalone_context()

    assert (first(ctx), second(ctx)) == (["a"], ["b"])
    assert client_for("a")(ctx) is first(ctx)


def test_equal_values_of_different_types_are_different_closures() -> None:
    made = [resource_factory(lambda ctx, v=value: [v])(standalone_context()) for value in (1, True, 1.0)]

    assert [int, bool, float] == [type(value[0]) for value in made]


@pytest.mark.contract("1.4.17")
def test_one_key_is_one_resource() -> None:
    ctx = standalone_context()
    first, second = resource_factory(lambda c: [1], key="k"), resource_factory(lambda c: [2], key="k")

    assert first(ctx) is second(ctx)


def test_equal_code_of_different_modules_is_not_shared() -> None:
    text = "def make(ctx): return [HOST]"
    one: dict[str, Any] = {"HOST": "a"}
    two: dict[str, Any] = {"HOST": "b"}
    exec(text, one)
    exec(text, two)

    assert resource_factory(one["make"])(standalone_context()) == ["a"]
    assert resource_factory(two["make"])(standalone_context()) == ["b"]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda resource: pickle.loads(pickle.dumps(resource))])
def test_a_resource_travels_as_its_recipe(again: Any) -> None:
    resource = resource_factory(lambda ctx: ctx["host"], key="travel")

    assert again(resource)(standalone_context({"host": "a"})) == "a"


def test_a_step_gets_the_resource_from_context_or_default() -> None:
    made: list[int] = []

    def make(ctx: FrozenContext) -> str:
        made.append(1)
        return "client"

    resource = resource_factory(make)

    @pipeline_step()
    def use(data: Any, client: Any = resource, other: Any = None) -> Any:
        return client, other

    assert use()(None, standalone_context({"other": resource})) == ("client", "client")
    assert made == [1]
