"""Fingerprints that one run holds: no two jobs of one fingerprint ever run at once."""

from __future__ import annotations

from crystallize.engine.claims import Claim, Claims
from crystallize.fingerprint.digest import digest_of
from crystallize.store.store import Store

ONE, OTHER = digest_of("test/1", b"one"), digest_of("test/1", b"other")


def test_a_second_job_of_a_fingerprint_waits_as_a_twin_and_is_handed_back(store: Store) -> None:
    claims = Claims()

    assert claims.ask(1, ONE, store) is Claim.HELD
    assert claims.ask(2, ONE, store) is Claim.TWIN
    assert claims.ask(3, OTHER, store) is Claim.HELD
    assert claims.release(1) == [2]
    assert claims.release(1) == []


def test_what_failed_fails_its_twins_and_whoever_asks_later(store: Store) -> None:
    claims, error = Claims(), ValueError("no")
    claims.ask(1, ONE, store)
    claims.ask(2, ONE, store)

    assert claims.release(1, error) == [2]
    assert claims.ask(2, ONE, store) is Claim.FAILED
    assert claims.error(ONE, store) is error


def test_what_another_process_holds_is_elsewhere_until_it_is_released(store: Store) -> None:
    there = Store.open(store.root)
    theirs, ours = Claims(), Claims()
    theirs.ask(1, ONE, there)

    assert ours.ask(1, ONE, store) is Claim.ELSEWHERE
    theirs.release(1)
    assert ours.ask(1, ONE, store) is Claim.HELD
    there.close()


def test_only_what_several_wait_for_at_the_same_time_is_double(store: Store) -> None:
    claims = Claims()
    for fingerprint in (ONE, ONE, OTHER):
        claims.expect(fingerprint, store)
    claims.ask(3, OTHER, store)
    claims.release(3)
    claims.expect(OTHER, store)

    assert claims.is_double(ONE, store)
    assert not claims.is_double(OTHER, store)
