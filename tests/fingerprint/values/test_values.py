from __future__ import annotations

import collections
import copy
import importlib
import os
import random
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import CellType, CodeType, FunctionType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.errors import DefinitionTypeError, NotReusableError
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.values import canonical as values
from crystallize.fingerprint.values.canonical import ValueTooLarge, digest_value, encode, register_encoder
from crystallize.fingerprint.values.preview import preview
from tests.fingerprint import samples
from tests.fingerprint.samples import DIFFERENT, Model, Numbers, Plain, Slotted, code_of


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(values, "_REGISTERED", {})


def test_no_two_different_values_have_equal_bytes():
    seen: dict[bytes, object] = {}
    for value in DIFFERENT:
        written = encode(value, code_of)
        assert written not in seen, f"{value!r} and {seen[written]!r}"
        seen[written] = value


@pytest.mark.parametrize("value", DIFFERENT, ids=lambda value: type(value).__name__)
def test_a_value_has_the_same_bytes_each_time(value):
    assert encode(value, code_of) == encode(value, code_of)


def test_another_process_with_another_hash_seed_gives_equal_bytes():
    program = (
        "from tests.fingerprint.samples import DIFFERENT, code_of\n"
        "from crystallize.fingerprint.values.canonical import encode\n"
        "from crystallize.fingerprint.digest import digest_of\n"
        "print(digest_of('all/1', *(encode(value, code_of) for value in DIFFERENT)).hex())\n"
    )
    root = Path(__file__).parents[3]
    environ = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}

    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert told[0] == told[1] != ""


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.fractions()
    | st.dates() | st.datetimes() | st.times() | st.timedeltas() | st.uuids() | st.complex_numbers()
)  # fmt: skip
KEYS = st.integers() | st.text() | st.binary() | st.booleans() | st.dates()
VALUES = st.recursive(
    LEAVES | st.frozensets(KEYS),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner) | st.sets(KEYS),
    max_leaves=20,
)


@given(VALUES)
def test_a_copy_has_equal_bytes(value):
    assert encode(copy.deepcopy(value), code_of) == encode(value, code_of)


def told(value: object) -> str:
    """A text that differs where values differ; sets and dicts in one order."""
    if isinstance(value, dict):
        return f"{{{sorted((told(key), told(item)) for key, item in value.items())}}}"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}{sorted(map(told, value))}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}{[told(item) for item in value]}"
    return f"{type(value).__name__} {value!r}"


@given(VALUES, VALUES)
def test_bytes_are_equal_just_when_values_are(one, two):
    assert (encode(one, code_of) == encode(two, code_of)) == (told(one) == told(two))


@given(st.dictionaries(KEYS, LEAVES), st.randoms())
def test_the_order_of_a_dict_never_counts(value, shuffle):
    items = list(value.items())
    shuffle.shuffle(items)

    assert encode(dict(items), code_of) == encode(value, code_of)


@given(st.lists(KEYS), st.randoms())
def test_the_order_a_set_was_filled_in_never_counts(members, shuffle):
    # Equal members of several types (1 and True) are one member, whichever came first; told apart by type here.
    members = list({told(member): member for member in members if not isinstance(member, bool)}.values())
    shuffled = list(members)
    shuffle.shuffle(shuffled)

    assert encode(set(shuffled), code_of) == encode(set(members), code_of)


def test_the_order_of_an_ordered_dict_and_of_a_list_counts():
    assert encode([1, 2], code_of) != encode([2, 1], code_of)
    assert encode(collections.OrderedDict(a=1, b=2), code_of) != encode(collections.OrderedDict(b=2, a=1), code_of)


def test_all_nans_are_one():
    assert encode(float("nan"), code_of) == encode(-float("nan"), code_of)


def test_sharing_a_part_does_not_count():
    part = [1, 2]

    assert encode([part, part], code_of) == encode([[1, 2], [1, 2]], code_of)


def test_parts_that_are_shared_over_and_over_are_written_once():
    value: list[object] = ["x" * 2000]
    for _ in range(200):
        value = [value, value]

    assert len(encode(value, code_of)) < 2500


def linked(*names: str) -> Plain:
    """Nodes in a ring that know each other both ways."""
    nodes = [Plain(name=name) for name in names]
    for index, node in enumerate(nodes):
        node.before, node.after = nodes[index - 1], nodes[(index + 1) % len(nodes)]
    return nodes[0]


def test_a_value_that_contains_itself_is_told_apart_by_contents():
    assert encode(linked("a", "b", "c"), code_of) == encode(linked("a", "b", "c"), code_of)
    assert encode(linked("a", "b", "c"), code_of) != encode(linked("a", "b", "d"), code_of)


def test_many_objects_that_all_know_each_other_are_written_in_time():
    nodes = [Plain(name=str(number)) for number in range(60)]
    for node in nodes:
        node.others = nodes

    assert encode(nodes, code_of) == encode(nodes, code_of)


def test_a_list_in_itself_and_a_dict_in_itself_are_encoded():
    one: list[object] = []
    one.append(one)
    two: dict[str, object] = {"members": {1, 2}}
    two["me"] = two

    assert encode(one, code_of) != encode(two, code_of)


def test_a_set_whose_member_leads_back_to_it_is_not_reusable():
    node = Plain()
    node.friends = {node}

    with pytest.raises(NotReusableError, match="set member or key that contains"):
        encode(node, code_of)


def test_deep_nesting_is_not_reusable_and_never_a_crash():
    value: list[object] = []
    for _ in range(10_000):
        value = [value]

    with pytest.raises(NotReusableError, match="nested too deeply"):
        encode(value, code_of)


def test_texts_and_paths_below_the_root_are_taken_relative_to_it():
    here, there = Path("/home/ann/project"), Path("/mnt/project")

    def value(root: Path) -> object:
        return [str(root), f"{root}/data/x.csv", root / "data", {f"{root}/k": root}]

    assert encode(value(here), code_of, root=here) == encode(value(there), code_of, root=there)


def test_below_the_root_is_not_the_same_as_the_bare_relative_text():
    root = Path("/home/ann/project")
    written = [
        encode(value, code_of, root=root)
        for value in ("/home/ann/project/a", "a", Path("/home/ann/project/a"), Path("a"), "/home/ann/project2/a")
    ]

    assert len(set(written)) == 5


def test_a_folder_that_only_begins_like_the_root_stays_absolute():
    value = "/home/ann/project2/a"

    assert encode(value, code_of, root=Path("/home/ann/project")) == encode(value, code_of)


def test_a_subclass_is_read_past_what_it_overrides():
    assert encode(Numbers([1, 2]), code_of) != encode(Numbers([1, 3]), code_of)
    assert encode(Numbers([1]), code_of) != encode([1], code_of)


def test_fields_that_a_subclass_adds_count():
    one, two = Numbers([1]), Numbers([1])
    two.unit = "m"

    assert encode(one, code_of) != encode(two, code_of)


def test_private_and_unset_slots_are_read():
    assert encode(Slotted(1, 2), code_of) != encode(Slotted(1, 3), code_of)


def test_the_code_of_an_instance_counts():
    def edited(definition: object) -> bytes:
        return digest_of("code/1", b"edited")

    assert encode(Plain(a=1), code_of) != encode(Plain(a=1), edited)
    assert encode(samples.function, code_of) != encode(samples.function, edited)
    assert encode({"f": samples.Color.RED}, code_of) != encode({"f": samples.Color.RED}, edited)


def test_the_code_of_installed_classes_is_never_asked_for():
    def asked(definition: object) -> bytes:
        raise AssertionError(definition)

    encode([collections.ChainMap({}), SimpleNamespace(a=int), len, Path], asked)


def test_an_inner_function_of_a_package_counts_with_what_it_closes_over():
    from functools import wraps

    assert encode(wraps(samples.function), code_of) != encode(wraps(samples.other_function), code_of)
    assert encode(cached_inner(1), code_of) != encode(cached_inner(2), code_of)


def test_an_inner_function_whose_closure_is_not_filled_yet_is_encoded():
    inner = FunctionType(closing_code(), {"__name__": "fractions"}, "inner", None, (CellType(),))

    assert encode(inner, code_of) == encode(inner, code_of)


def closing_code() -> CodeType:
    held = 1
    return (lambda: held).__code__


def cached_inner(value: object) -> object:
    """`reprlib`'s wrapper: an inner function of the standard library that holds what it was given."""
    from reprlib import recursive_repr

    return recursive_repr(fillvalue=str(value))


class Handle:
    def __init__(self, handle: object) -> None:
        self.handle = handle


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (object, "a bare object()"),
        (threading.Lock, "a lock"),
        (threading.RLock, "a lock"),
        (threading.Event, "a lock"),
        (threading.local, "thread-local storage"),
        (threading.Thread, "a thread"),
        (lambda: (x for x in ()), "a generator"),
        (lambda: iter([]), "list_iterator, whose contents cannot be read"),
        (lambda: zip([1], strict=True), "zip, whose contents cannot be read"),
        (lambda: weakref.ref(test_the_code_of_an_instance_counts), "a weak reference"),
        (lambda: sys.modules[__name__], "the project module"),
        (random.SystemRandom, "a random generator without a state"),
        (lambda: sys.float_info, "cannot be read"),
        (lambda: type("Made", (), {"__module__": "fractions"})(), "the class Made, which was made at run time"),
    ],
)
def test_what_cannot_be_told_apart_is_not_reusable_and_named_with_its_place(make, what):
    value = {"high": {"payload": {"x": [1, 2, 3, Handle(make())]}}}

    with pytest.raises(NotReusableError) as caught:
        encode(value, code_of, where="treatments")

    assert caught.value.where.startswith("treatments['high']['payload']['x'][3].handle")
    assert what in caught.value.what
    assert "\n" not in str(caught.value)


def test_an_open_file_says_to_pass_its_path(tmp_path):
    with (
        (tmp_path / "x").open("w") as handle,
        pytest.raises(NotReusableError) as caught,
    ):
        encode(Handle(handle), code_of, where="params.model")

    assert str(caught.value).startswith("params.model.handle: an open file; pass its path")


def test_what_cannot_be_told_apart_in_a_key_or_set_is_found_too():
    class Key:
        def __init__(self) -> None:
            self.lock = threading.Lock()

    for value in ({Key(): 1}, {Key()}, frozenset({Key()}), collections.deque([Key()])):
        with pytest.raises(NotReusableError, match="a lock"):
            encode(value, code_of)


def test_an_error_of_code_of_keeps_its_place():
    def fails(definition: object) -> bytes:
        raise NotReusableError("steps.train.cell", "an open file", "close it")

    with pytest.raises(NotReusableError) as caught:
        encode([samples.function], fails, where="params")

    assert caught.value.where == "params[0] (steps.train.cell)"


def test_an_error_can_be_pickled():
    import pickle

    with pytest.raises(NotReusableError) as caught:
        encode([threading.Lock()], code_of, where="params")

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("value", [list(range(1000)), "x" * 5000, dict.fromkeys(range(99), "y" * 9), [["z" * 600] * 3]])
def test_a_value_over_the_limit_is_too_large(value):
    with pytest.raises(ValueTooLarge):
        encode(value, code_of, limit=500)

    assert encode(value, code_of, limit=1 << 20) == encode(value, code_of)


def test_the_bytes_of_a_large_value_stay_short_and_still_differ():
    one, two = ["x" * 10**6, 1], ["x" * 10**6, 2]

    assert len(encode(one, code_of)) < 200
    assert encode(one, code_of) != encode(two, code_of)


def test_a_registered_encoder_tells_instances_apart(registry):
    register_encoder(Handle, lambda handle: ["on", handle.port])
    one, two, three = Handle(threading.Lock()), Handle(threading.Lock()), Handle(threading.Lock())
    one.port, two.port, three.port = 1, 1, 2

    assert encode(one, code_of) == encode(two, code_of) != encode(three, code_of)


def test_a_registered_encoder_serves_no_subclass(registry):
    class More(Handle): ...

    register_encoder(Handle, lambda handle: "same")

    with pytest.raises(NotReusableError):
        encode(More(threading.Lock()), code_of)


def test_what_a_registered_encoder_returns_must_be_encodable(registry):
    register_encoder(Handle, lambda handle: handle.handle)

    with pytest.raises(NotReusableError, match="a lock"):
        encode(Handle(threading.Lock()), code_of)


def test_a_registered_encoder_that_raises_is_named(registry):
    register_encoder(Handle, lambda handle: 1 / 0)

    with pytest.raises(NotReusableError, match="value: an instance of Handle whose encoder raised ZeroDivisionError"):
        encode(Handle(1), code_of)


@pytest.mark.parametrize("type_", [int, dict, "Handle"])
def test_a_builtin_or_no_class_cannot_be_registered(registry, type_):
    with pytest.raises(DefinitionTypeError, match="register_encoder was given"):
        register_encoder(type_, str)


def test_a_project_module_that_is_called_like_one_of_the_library_is_the_projects_own(tmp_path, monkeypatch):
    (tmp_path / "fractions.py").write_text("class Fraction:\n    pass\n", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "fractions")
    monkeypatch.syspath_prepend(str(tmp_path))
    impostor = importlib.import_module("fractions").Fraction()
    before = encode(impostor, code_of)
    impostor.seed = 3

    assert encode(impostor, code_of) != before


def test_the_digest_is_of_the_bytes():
    value = {"lr": 0.1}

    assert digest_value(value, code_of) == digest_of("value/1", encode(value, code_of))


def test_a_model_found_unchanged_has_the_same_digest_and_a_changed_one_another():
    model = Model(0.1, [1])
    before = digest_value(model, code_of)
    model.layers.append(2)
    changed = digest_value(model, code_of)
    model.layers.pop()

    assert before == digest_value(model, code_of) != changed


@given(VALUES)
def test_a_preview_is_one_short_line(value):
    assert "\n" not in preview(value)
    assert len(preview(value)) <= 200
