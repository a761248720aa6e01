"""What the screens are made of, without a screen."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.tui.bench import Bench
from crystallize.tui.ear import Ear, listening, owning_terminal
from crystallize.tui.editor import command, editor_of
from crystallize.tui.graph_tree import layers
from crystallize.tui.logbook import MOST_LINES, Line, LogBook


def drawn(edges: dict[str, list[str]]) -> list[str]:
    return [
        f"{'  ' * row.depth}{row.link} {row.name}" + f" ← {','.join(row.also)}" * bool(row.also)
        for row in layers(edges)
    ]


def test_a_chain_is_drawn_straight_down() -> None:
    assert drawn({"a": [], "b": ["a"], "c": ["b"]}) == ["● a", "↓ b", "↓ c"]


def test_branches_are_indented_and_a_second_input_is_named() -> None:
    edges = {"a": [], "z": [], "b": ["a"], "c": ["a", "z"], "d": ["b"]}

    assert drawn(edges) == ["● a", "↓ b", "↓ d", "● z", "↓ c ← a"]
    assert drawn({"a": [], "b": ["a"], "c": ["a"]}) == ["● a", "  ╰ b", "  ╰ c"]


@given(st.data())
def test_every_experiment_is_drawn_once_and_below_what_it_is_linked_to(data: st.DataObject) -> None:
    edges: dict[str, list[str]] = {}
    for number in range(data.draw(st.integers(1, 12))):
        edges[str(number)] = data.draw(st.lists(st.sampled_from(list(edges)), unique=True, max_size=3)) if edges else []

    names = [row.name for row in layers(edges)]

    assert sorted(edges) == sorted(names)
    for row in layers(edges):
        assert len(row.also) == max(0, len(edges[row.name]) - 1)


@pytest.mark.contract("4.4.9")
@pytest.mark.parametrize(
    ("editor", "told"),
    [
        ("nano", ["nano", "+7", "f.py"]),
        ("vim -p", ["vim", "-p", "+7", "f.py"]),
        ("code -w", ["code", "-w", "-g", "f.py:7"]),
        ("cursor", ["cursor", "-g", "f.py:7"]),
        ("subl", ["subl", "f.py:7"]),
        ("hx", ["hx", "f.py:7"]),
        ("/opt/pycharm", ["/opt/pycharm", "--line", "7", "f.py"]),
        ("emacsclient -t", ["emacsclient", "-t", "+7", "f.py"]),
    ],
)
def test_each_editor_is_told_the_line_in_its_own_way(editor: str, told: list[str]) -> None:
    found = editor_of({"EDITOR": editor})

    assert found is not None
    assert told == command(found, "f.py", 7)


@pytest.mark.contract("4.4.9")
def test_the_first_editor_that_is_set_counts() -> None:
    assert editor_of({"CRYSTALLIZE_EDITOR": " ", "EDITOR": "b", "VISUAL": "c"}) == ["b"]
    assert editor_of({}) is None


def test_a_log_book_keeps_its_last_lines_in_memory_and_all_of_them_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "1.log"
    known: list[Path] = []
    book = LogBook(lambda: known[0] if known else None)
    book.add(Line("", "before the run has a number"))
    assert book.path is None
    known.append(path)

    for number in range(MOST_LINES + 4):
        book.add(Line(f"{'even' if number % 2 == 0 else 'odd'}/baseline/0", str(number)))

    assert [line.text for line in book.since(book.total - 2).lines] == ["2002", "2003"]
    assert (len(book.since(0).lines), book.since(0).number) == (MOST_LINES, MOST_LINES + 5)
    assert book.since(book.total).lines == []
    assert book.path == path
    told = path.read_text().splitlines()
    assert (len(told), *told[:2]) == (MOST_LINES + 5, "before the run has a number", "even/baseline/0 │ 0")
    found = book.find(lambda line: line.where.startswith("even"))
    assert (len(found.lines), found.number, found.seen) == (1002, 1002, book.total)
    assert found.lines[0] == Line("even/baseline/0", "0")

    path.unlink()

    assert book.find(lambda line: True).number == MOST_LINES


def test_a_log_book_whose_file_cannot_be_written_goes_on_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    book = LogBook(lambda: tmp_path / "file" / "1.log")

    for number in range(MOST_LINES + 5):
        book.add(Line("", str(number)))

    assert book.path is None
    assert len(book.since(0).lines) == book.find(lambda line: True).number == MOST_LINES


@given(st.text(alphabet=st.characters(exclude_characters="\n"), max_size=8), st.sampled_from(["", "a/high/3"]))
def test_a_line_that_was_told_is_read_again(text: str, where: str) -> None:
    assert Line.read(Line(where, text).told).told == Line(where, text).told


def test_lines_are_kept_when_they_end_and_the_rest_at_the_end() -> None:
    ear = Ear()
    with listening(ear):
        print("one", end="")
        print(" line\ntwo", end="")
        sys.stderr.write("error\n")

    assert [line.text for line in ear.book.since(0).lines] == ["one line", "error", "two"]


def test_what_child_processes_write_is_heard_too() -> None:
    ear = Ear()
    with owning_terminal(ear):
        os.system("echo from a child")
    for thread in threading.enumerate():
        if thread.name == "crystallize-native-output":
            thread.join()

    assert [line.text for line in ear.book.since(0).lines] == ["from a child"]


def test_the_bench_does_one_thing_after_the_other_and_nothing_that_was_dropped() -> None:
    bench, told, all_done = Bench(), [], threading.Event()
    go = threading.Event()

    bench.put(go.wait, lambda _: None)
    dropped = bench.put(lambda: "dropped", told.append)
    dropped.dropped = True
    bench.put(lambda: 1 / 0, told.append)
    bench.put(lambda: "last", lambda result: (told.append(result), all_done.set()))
    go.set()
    all_done.wait()
    bench.close()

    assert isinstance(told[0], ZeroDivisionError)
    assert told[1:] == ["last"]


def test_textual_is_not_loaded_by_the_package_or_its_commands(tmp_path: Path) -> None:
    import subprocess

    code = "import sys, crystallize.cli.main; print('textual' in sys.modules, 'ruamel' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False False"
