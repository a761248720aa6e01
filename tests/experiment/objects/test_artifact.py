import copy
import json
import pickle
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from crystallize.errors import ContextMutationError, DefinitionError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.context import FrozenContext, current_context, standalone_context


@pytest.fixture
def ctx() -> FrozenContext:
    return standalone_context()


@pytest.mark.contract("1.3.15")
@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\\b", "a\0b", ".x", "x.", " x", "x "])
def test_an_unsafe_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="artifact name"):
        Artifact(name)


def test_a_bound_artifact_writes_through_its_writer(ctx: FrozenContext) -> None:
    artifact = Artifact("x.json", writer=lambda value: json.dumps(value))

    artifact._bound_to(ctx).write({"a": 1})

    assert list(ctx.artifacts) == [("x.json", b'{"a": 1}', "")]


@pytest.mark.contract("1.3.15")
def test_bytes_and_text_need_no_writer_and_others_do(ctx: FrozenContext) -> None:
    Artifact("a")._bound_to(ctx).write(b"1")
    Artifact("b")._bound_to(ctx).write("ü")

    with pytest.raises(TypeError, match="writer"):
        Artifact("c")._bound_to(ctx).write(3)
    assert [b"1", "ü".encode()] == [record.data for record in ctx.artifacts]


def test_an_unbound_artifact_writes_to_the_running_trial(ctx: FrozenContext) -> None:
    token = current_context.set(ctx)
    Artifact("x").write(b"1")
    current_context.reset(token)

    assert [record.name for record in ctx.artifacts] == ["x"]


@pytest.mark.contract("1.3.17")
def test_without_a_running_trial_nothing_can_be_written() -> None:
    with pytest.raises(RuntimeError, match="artifact 'x' is written outside of a step"):
        Artifact("x").write(b"1")
    with pytest.raises(RuntimeError, match="outside of a step"):
        Artifact("x").path()


def test_a_bound_artifact_writes_from_a_thread_of_the_step(ctx: FrozenContext) -> None:
    bound = Artifact("x")._bound_to(ctx)
    thread = threading.Thread(target=bound.write, args=(b"1",))

    thread.start()
    thread.join()

    assert len(ctx.artifacts) == 1


def test_a_path_is_writable_and_becomes_the_artifact(ctx: FrozenContext) -> None:
    bound = Artifact("model")._bound_to(ctx)

    bound.path().mkdir()
    (bound.path() / "weights").write_bytes(b"1")

    (record,) = ctx.artifacts
    assert isinstance(record.data, Path)
    assert (record.name, record.data.name) == ("model", "model")
    assert [path.name for path in record.data.iterdir()] == ["weights"]


def test_a_path_lies_in_the_folder_that_the_runner_gives(ctx: FrozenContext, tmp_path: Path) -> None:
    ctx.artifacts._folder_for = lambda name: tmp_path

    assert tmp_path / "model" == Artifact("model")._bound_to(ctx).path()


def test_one_artifact_cannot_be_both_written_and_a_path(ctx: FrozenContext) -> None:
    bound = Artifact("x")._bound_to(ctx)
    bound.write(b"1")

    with pytest.raises(ContextMutationError, match="'x'"):
        bound.path()


def test_two_steps_of_one_trial_have_paths_of_their_own(ctx: FrozenContext) -> None:
    bound = Artifact("x")._bound_to(ctx)
    ctx._enter_step("A")
    first = bound.path()
    ctx._enter_step("B")

    assert first != bound.path()


@pytest.mark.contract("1.3.19")
def test_fetch_loads_the_file_that_was_laid_out(ctx: FrozenContext, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[1]", encoding="utf-8")
    plain, loaded = Artifact("x"), Artifact("x", loader=lambda path: json.loads(path.read_text("utf-8")))
    ctx._inputs = {id(plain): tmp_path / "x", id(loaded): tmp_path / "x"}

    assert plain.fetch(ctx) == b"[1]"
    assert loaded.fetch(ctx) == [1]
    assert loaded._bound_to(ctx).fetch(ctx) == [1]


@pytest.mark.contract("1.3.15")
def test_a_folder_without_a_loader_is_handed_out_as_its_path(ctx: FrozenContext, tmp_path: Path) -> None:
    artifact = Artifact("model")
    ctx._inputs = {id(artifact): tmp_path}

    assert tmp_path == artifact.fetch(ctx)


@pytest.mark.contract("1.3.22")
def test_fetching_what_nobody_produces_says_what_to_do(ctx: FrozenContext) -> None:
    alone, elsewhere = Artifact("x"), Artifact("y")
    elsewhere.producer = SimpleNamespace(name="clean")

    with pytest.raises(RuntimeError, match=r"'x' has no producer; list it in outputs="):
        alone.fetch(ctx)
    with pytest.raises(RuntimeError, match=r"'y' is written by experiment 'clean', which is not part"):
        elsewhere.fetch(ctx)


def test_gathered_values_come_as_a_list_in_order(ctx: FrozenContext, tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(3)]
    for path in paths:
        path.write_text(path.name, encoding="utf-8")
    gathered = Artifact("x").gather()
    ctx._inputs = {id(gathered): paths}

    assert gathered.fetch(ctx) == [b"0", b"1", b"2"]
    with pytest.raises(RuntimeError, match="'x' has no producer"):
        gathered.fetch(standalone_context())


@pytest.mark.contract("1.3.21")
def test_artifacts_are_equal_by_identity_and_survive_a_context(ctx: FrozenContext) -> None:
    artifact = Artifact("x")
    ctx.add("artifact", artifact)

    assert artifact != Artifact("x")
    assert ctx["artifact"] is artifact
    assert copy.deepcopy([artifact])[0] is artifact


@pytest.mark.contract("1.3.16")
def test_an_artifact_with_lambdas_is_pickled_without_its_producer(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"ab")
    artifact = Artifact("x", loader=lambda path: len(path.read_bytes()), writer=lambda value: value * 2)
    artifact.producer = threading.Lock()

    revived = pickle.loads(pickle.dumps(artifact))

    ctx = standalone_context()
    ctx._inputs = {id(revived): tmp_path / "x"}
    revived._bound_to(ctx).write(b"1")
    assert (revived.fetch(ctx), revived.producer) == (2, None)
    assert [record.data for record in ctx.artifacts] == [b"11"]
