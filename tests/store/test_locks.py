from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import digest_bytes
from crystallize.store.locks import Locks, is_locked

ONE, TWO = digest_bytes(b"one"), digest_bytes(b"two")

OTHER_PROCESS = """
import sys
from pathlib import Path
from crystallize.fingerprint.digest import digest_bytes
from crystallize.store.locks import Locks
locks = Locks(Path(sys.argv[1]))
print(*[locks.try_lock(digest_bytes(name.encode())) for name in sys.argv[2:]], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def locks(path: Path) -> Iterator[Locks]:
    found = Locks(path)
    yield found
    found.close()


def elsewhere(path: Path, *names: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OTHER_PROCESS, str(path), *names]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def answer(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_a_lock_is_held_until_it_is_freed(locks: Locks) -> None:
    assert locks.try_lock(ONE)
    assert not locks.try_lock(ONE)
    locks.unlock(ONE)

    assert locks.try_lock(ONE)


def test_locks_of_other_fingerprints_are_free(locks: Locks) -> None:
    assert locks.try_lock(ONE)
    assert locks.try_lock(TWO)


def test_two_stores_of_one_process_exclude_each_other(path: Path, locks: Locks) -> None:
    second = Locks(path)
    assert locks.try_lock(ONE)

    assert not second.try_lock(ONE)
    second.unlock(ONE)
    assert not second.try_lock(ONE)


def test_another_process_is_excluded_even_after_a_second_store_was_closed(path: Path, locks: Locks) -> None:
    assert locks.try_lock(ONE)
    second = Locks(path)
    second.try_lock(TWO)
    second.close()

    with elsewhere(path, "one", "two") as process:
        assert answer(process) == ["False", "True"]
        process.communicate("")


def test_a_process_that_ends_leaves_no_lock(path: Path, locks: Locks) -> None:
    with elsewhere(path, "one") as process:
        assert answer(process) == ["True"]
        assert not locks.try_lock(ONE)
        process.kill()
        process.wait()

    assert locks.try_lock(ONE)


def test_closing_frees_all(path: Path, locks: Locks) -> None:
    locks.try_lock(ONE)
    locks.close()

    assert Locks(path).try_lock(ONE)


def test_a_lock_file_is_closed_with_its_last_user(path: Path, tmp_path: Path) -> None:
    first, second = Locks(path), Locks(path)
    first.try_lock(ONE)
    second.try_lock(TWO)
    first.close()
    first.close()

    with elsewhere(path, "one", "two") as process:
        assert answer(process) == ["True", "False"]
        process.communicate("")
    second.close()
    with elsewhere(path, "two") as process:
        assert answer(process) == ["True"]
        process.communicate("")


def test_without_a_file_locks_hold_within_the_object() -> None:
    locks = Locks(None)

    assert locks.try_lock(ONE)
    assert not locks.try_lock(ONE)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent/locks: No such file or directory; make the folder writable"):
        Locks(tmp_path / "absent" / "locks").try_lock(ONE)


def test_alone_holds_every_lock_and_frees_them_again(locks: Locks, path: Path) -> None:
    with locks.alone() as is_alone:
        mine = locks.try_lock(ONE)
        other = elsewhere(path, "one", "two")
        theirs = answer(other)
        other.communicate()

    assert (is_alone, mine, theirs) == (True, False, ["False", "False"])
    assert locks.try_lock(ONE)


def test_nobody_is_alone_while_a_lock_is_held(locks: Locks, path: Path) -> None:
    other = elsewhere(path, "two")
    answer(other)
    with locks.alone() as beside_another_process:
        taken = locks.try_lock(ONE)
    other.communicate()
    with locks.alone() as beside_oneself:
        pass

    assert (beside_another_process, taken, beside_oneself) == (False, True, False)


def test_whether_anybody_holds_a_lock_is_seen_without_taking_it(path: Path, locks: Locks) -> None:
    before = is_locked(path, ONE)
    other = elsewhere(path, "one")
    answer(other)
    locks.try_lock(TWO)

    seen = is_locked(path, ONE), is_locked(path, TWO)
    other.communicate()
    locks.unlock(TWO)

    assert not before
    assert seen == (True, True)
    assert not is_locked(path, ONE) and not is_locked(path, TWO)


def test_asking_costs_this_process_none_of_its_locks(path: Path, locks: Locks) -> None:
    locks.try_lock(ONE)

    is_locked(path, ONE)
    is_locked(path, TWO)
    other = elsewhere(path, "one", "two")
    found = answer(other)
    other.communicate()

    assert found == ["False", "True"]


def test_asking_creates_nothing(path: Path) -> None:
    assert not is_locked(path, ONE)
    assert not path.exists()
