from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize.errors import PinnedRecordGone
from crystallize.fingerprint.manifest import Unclear
from crystallize.store.reuse import (
    After,
    Exactly,
    Force,
    Hit,
    Miss,
    Policy,
    Question,
    Use,
    decide,
    decide_many,
)
from crystallize.store.store import Store

from .making import ask, code, job, manifest, new, part, piece, wrote

OPEN_FILE = Unclear("code.train", "steps.Train.handle: an open file", "register_encoder(TextIOWrapper, fn)")


def miss(question: Question, store: Store, run: int = 0) -> Miss:
    decision = decide(question, store, run)
    assert isinstance(decision, Miss)
    return decision


def hit(question: Question, store: Store, run: int = 0) -> int:
    decision = decide(question, store, run)
    assert isinstance(decision, Hit)
    return decision.record.number


def test_an_empty_store_says_first_run(store: Store) -> None:
    assert Miss("first", "first run") == decide(ask(), store)


def test_the_same_manifest_is_reused(store: Store) -> None:
    [record] = store.put_many([new()])

    assert Hit(record) == decide(ask(), store)


def test_a_record_serves_another_label(store: Store) -> None:
    store.put_many([new(label="old name/baseline/0")])

    assert hit(ask(label="new name/baseline/0"), store) == 1


def test_the_newest_of_several_records_serves(store: Store) -> None:
    store.put_many([new(), new(), new(job(0.9))])

    assert hit(ask(), store) == 2


def test_going_back_to_an_earlier_parameter_reuses_the_earlier_record(store: Store) -> None:
    store.put_many([new(job(0.1)), new(job(0.05))])

    assert hit(ask(job(0.1)), store) == 1


def test_a_changed_parameter_names_old_and_new(store: Store) -> None:
    store.put_many([new(job(0.1))])

    found = miss(ask(job(0.05)), store)

    assert (found.kind, found.why) == ("changed", "param.train.lr: 0.1 → 0.05")
    assert [change.name for change in found.changes] == ["param.train.lr"]
    assert found.previous == 1


def test_the_difference_is_to_the_last_record_of_the_label_only(store: Store) -> None:
    store.put_many([new(job(0.1)), new(job(0.2)), new(job(0.3), label="b/baseline/0")])

    assert miss(ask(job(0.05)), store).why == "param.train.lr: 0.2 → 0.05"


def test_a_changed_definition_is_named(store: Store) -> None:
    was, behind = code("train", piece("steps.train", "def train"), piece("steps.helpers.scale", "return x"))
    now, behind_now = code("train", piece("steps.train", "def train"), piece("steps.helpers.scale", "return 2x"))
    store.put_many([new(manifest(shared=[was], pieces=behind))])

    found = miss(ask(manifest(shared=[now], pieces=behind_now)), store)

    assert (found.kind, found.why) == ("changed", "code of steps.helpers.scale changed")


def test_a_definition_that_several_parts_reach_is_named_once(store: Store) -> None:
    old, new_ = piece("steps.scale", "return x"), piece("steps.scale", "return 2x")
    parts = [code("train", old), code("eval", piece("steps.eval", "def eval"), old)]
    parts_now = [code("train", new_), code("eval", piece("steps.eval", "def eval"), new_)]
    before = manifest(shared=[p for p, _ in parts], pieces={**parts[0][1], **parts[1][1]})
    after = manifest(shared=[p for p, _ in parts_now], pieces={**parts_now[0][1], **parts_now[1][1]})
    store.put_many([new(before)])

    assert miss(ask(after), store).why == "code of steps.scale changed"


def test_an_input_with_other_bytes_is_named(store: Store) -> None:
    store.put_many([new(manifest(part("input.clean", b"one")))])

    assert miss(ask(manifest(part("input.clean", b"two"))), store).why == "input.clean: other contents"


def test_many_differences_are_counted(store: Store) -> None:
    store.put_many([new(manifest(*(part(f"param.{name}", 1) for name in "abcd")))])

    found = miss(ask(manifest(*(part(f"param.{name}", 2) for name in "abcd"))), store)

    assert found.why == "param.a: 1 → 2; param.b: 1 → 2; and 2 more"
    assert len(found.changes) == 4


def test_added_and_removed_parts_are_named(store: Store) -> None:
    store.put_many([new(manifest(part("param.old", 1)))])

    found = miss(ask(manifest(part("param.new", 2))), store)

    assert found.why == "param.new: new (2); param.old: removed (1)"


def test_another_kind_of_manifest_is_no_hit(store: Store) -> None:
    store.put_many([new(manifest(part("seed", 1), kind="trial/1"))])

    assert miss(ask(manifest(part("seed", 1), kind="trial/2")), store).why == "kind: trial/1 → trial/2"


def test_a_value_that_cannot_be_told_apart_is_never_reused(store: Store) -> None:
    unclear = manifest(part("seed", 0), unclear=[OPEN_FILE])
    store.put_many([new(unclear)])

    found = miss(ask(unclear), store)

    assert found.kind == "unclear"
    assert found.why == ("cannot be told apart: steps.Train.handle: an open file; register_encoder(TextIOWrapper, fn)")


def test_force_runs_although_a_record_serves(store: Store) -> None:
    store.put_many([new(run=1)])

    assert Miss("forced", "forced (rerun)") == decide(ask(policy=Force("rerun")), store, run=2)


def test_force_reuses_what_this_run_has_recorded(store: Store) -> None:
    store.put_many([new(run=1), new(run=2), new(run=3)])

    assert hit(ask(policy=Force("rerun")), store, run=2) == 2


def test_force_outside_a_run_takes_no_record_for_its_own(store: Store) -> None:
    store.put_many([new(run=0)])

    assert miss(ask(policy=Force("rerun")), store).kind == "forced"


def test_unclear_comes_before_force(store: Store) -> None:
    question = ask(manifest(unclear=[OPEN_FILE]), Force("rerun"))

    assert miss(question, store).kind == "unclear"


def test_after_takes_only_newer_records(store: Store) -> None:
    store.put_many([new()])

    found = miss(ask(policy=After(1, "completion marker removed")), store)
    store.put_many([new()])

    assert (found.kind, found.why) == ("after", "completion marker removed")
    assert hit(ask(policy=After(1, "completion marker removed")), store) == 2


def test_after_over_another_manifest_names_the_difference(store: Store) -> None:
    store.put_many([new(job(0.1))])

    assert miss(ask(job(0.2), After(1, "failed since")), store).kind == "changed"


def test_a_pin_takes_its_record_whatever_the_manifest(store: Store) -> None:
    store.put_many([new(job(0.1)), new(job(0.2))])

    assert hit(ask(job(0.3), Exactly(1)), store) == 1


def test_a_pin_beats_unclear(store: Store) -> None:
    store.put_many([new()])

    assert hit(ask(manifest(unclear=[OPEN_FILE]), Exactly(1)), store) == 1


def test_a_pin_to_a_record_that_is_gone_is_an_error(store: Store) -> None:
    with pytest.raises(
        PinnedRecordGone, match="a/baseline/0: pinned to record 7: it is no longer in the store; remove"
    ):
        decide(ask(policy=Exactly(7)), store)


def test_a_pin_to_a_record_without_its_output_is_an_error(store: Store) -> None:
    fields = wrote(store, "x.json", b"x")
    store.put_many([new(**fields | {"small_blobs": {}})])

    with pytest.raises(PinnedRecordGone, match=r"artifact 'x\.json' of step 'S' is gone from the store"):
        decide(ask(policy=Exactly(1)), store)


def test_a_lost_output_is_a_miss_that_names_it(store: Store) -> None:
    fields = wrote(store, "x.json", b"x")
    store.put_many([new(**fields | {"small_blobs": {}})])

    found = miss(ask(), store)

    assert (found.kind, found.why) == ("gone", "artifact 'x.json' of step 'S' is gone from the store")
    assert found.previous == 1


def test_an_older_record_serves_when_the_newest_lost_an_output(store: Store) -> None:
    whole, lost = wrote(store, "x.json", b"one"), wrote(store, "x.json", b"two")
    store.put_many([new(**whole), new(**lost | {"small_blobs": {}})])

    assert hit(ask(), store) == 1


def test_a_record_made_once_is_never_reused_and_the_next_run_says_so(store: Store) -> None:
    [record] = store.put_many([new(once=True)])

    found = miss(ask(), store)

    assert record.number == 1
    assert (found.kind, found.why) == ("unclear", "its last result, record 1, may not be reused")


def test_a_dry_run_on_an_absent_store_says_first_run(tmp_path) -> None:
    store = Store.open(tmp_path / "data", write=False)

    decision = decide(ask(), store)
    store.close()

    assert Miss("first", "first run") == decision
    assert not (tmp_path / "data").exists()


POLICIES: st.SearchStrategy[Policy] = st.one_of(
    st.just(Use()),
    st.builds(Force, st.just("rerun")),
    st.builds(After, st.integers(0, 8), st.just("failed since")),
    st.builds(Exactly, st.integers(1, 6)),
)
QUESTIONS = st.builds(ask, st.builds(job, st.integers(0, 3)), POLICIES, st.sampled_from(["a/b/0", "a/b/1", "new"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(questions=st.lists(QUESTIONS, max_size=8), run=st.integers(0, 3))
def test_a_batch_decides_as_one_by_one(store: Store, questions: list[Question], run: int) -> None:
    if not store.latest_number():
        lost = wrote(store, "x", b"lost") | {"small_blobs": {}}
        store.put_many([new(job(lr), f"a/b/{lr % 2}", run=lr, **wrote(store, "x", b"%d" % lr)) for lr in range(3)])
        store.put_many([new(job(lr), f"a/b/{lr % 2}", run=3) for lr in range(3)])
        store.put_many([new(job(0), "a/b/0", run=3, **lost)])

    assert decide_many(questions, store, run) == [decide(question, store, run) for question in questions]
