from __future__ import annotations

from crystallize.fingerprint.manifest import Change, Unclear
from crystallize.store.reason import changed_pieces, tell_changes, tell_unclear

from .making import code, manifest, part, piece


def tell(*changes: Change) -> str:
    return tell_changes(changes, manifest(), "trial/1", lambda digest: [])


def test_a_definition_that_only_moved_does_not_differ() -> None:
    old = [piece("steps.scale", "def scale"), piece("steps.train", "def train")]
    new = [piece("helpers.scale", "def scale"), piece("steps.train", "def train2")]

    assert changed_pieces(old, new) == [(old[1], new[1])]


def test_definitions_come_into_reach_and_out_of_it() -> None:
    was, old = code("train", piece("steps.train", "def train"), piece("steps.OLD", "1"))
    now, new = code("train", piece("steps.train", "def train"), piece("steps.NEW", "2"))

    said = tell_changes(
        [Change(was.name, was, now)], manifest(pieces=new), "trial/1", lambda digest: old.get(digest, ())
    )

    assert said == "code now reaches steps.NEW; code no longer reaches steps.OLD"


def test_code_without_known_definitions_is_named_by_its_part() -> None:
    assert tell(Change("code.train", part("code.train", 1), part("code.train", 2))) == "code of train changed"


def test_values_that_look_alike_are_told_as_other_values() -> None:
    old, new = part("param.x", 1), part("param.x", 2)._replace(preview="1")

    assert tell(Change("param.x", old, new)) == "param.x: other value"


def test_parts_in_another_order_are_told() -> None:
    assert tell() == "the same parts in another order"


def test_several_unclear_values_are_counted() -> None:
    unclear = [Unclear(f"param.{name}", f"{name}: a socket", "version=") for name in "abc"]

    assert tell_unclear(unclear) == "cannot be told apart: a: a socket; version=; b: a socket; version=; and 1 more"
