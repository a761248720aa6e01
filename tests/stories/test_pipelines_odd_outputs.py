"""Outputs of every kind: odd names, links, read-only ones, very many and very large ones; nothing else is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.faulty import Faulty, faulty_project


@pytest.fixture
def local(tmp_path: Path) -> Faulty:
    return faulty_project(tmp_path, "local")


ODD = {
    "with space.txt": "1",
    "ünïcödé-日本.txt": "2",
    "new\nline.txt": "3",
    "..hidden": "4",
    "deep/er/...": "5",
    "-rf": "6",
    "'quoted' \"$(date)\".txt": "7",
    "CON": "8",
    "x" * 255: "9",
}


def test_names_of_any_kind_come_through_as_they_are(local: Faulty) -> None:
    local.write("names.json", json.dumps(ODD))
    lines = [
        f"{sys.executable} - <<'END'",
        "import json, os, pathlib",
        "for name, text in json.load(open(os.environ['HELPER'] + '/names.json')).items():",
        "    path = pathlib.Path(os.environ['VH_OUTPUTS_DIR'], name)",
        "    path.parent.mkdir(parents=True, exist_ok=True)",
        "    path.write_text(text)",
        "END",
    ]
    local.does("\n".join(lines) + "\n")

    assert local.go() == {"make": "ran", "read": "ran"}
    assert local.outputs() == ODD
    assert [each["name"] for each in local.shown("execution", "outputs", "1")["outputs"]] == sorted(ODD)
    assert local.go() == {"make": "reused", "read": "reused"}


def test_nothing_outside_the_outputs_is_taken_or_touched(local: Faulty, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    os.link(outside / "mine.txt", outside / "other name.txt")
    before = {path.name: (path.read_text(), path.stat().st_mode, path.stat().st_mtime_ns) for path in outside.iterdir()}
    local.does(f"""
        cd $VH_OUTPUTS_DIR
        ln -s {outside}/mine.txt link.txt; ln -s {outside} folder; ln -s ../../../../../../../etc/passwd up.txt
        ln {outside}/mine.txt hard.txt
        mkfifo pipe; ln -s nowhere dangling; ln -s . loop
        echo real > a; ln -s a z-link; ln -s a 0-link
        echo '{{"file": "/etc/passwd", "metadata": {{"valohai.alias": "stolen"}}}}' > valohai.metadata.jsonl
        echo '{{"file": "../../outside/mine.txt", "metadata": {{"valohai.alias": "stolen"}}}}' >> valohai.metadata.jsonl
        echo '{{"file": "a", "metadata": {{"valohai.alias": "../../evil"}}}}' >> valohai.metadata.jsonl
        echo 'no json' > a.metadata.json
    """)

    assert local.go() == {"make": "ran", "read": "ran"}
    assert local.outputs() == {"0-link": "real\n", "a": "real\n", "hard.txt": "mine", "z-link": "real\n"}
    assert "stolen" not in json.dumps(local.shown("execution", "outputs", "1"))
    after = {path.name: (path.read_text(), path.stat().st_mode, path.stat().st_mtime_ns) for path in outside.iterdir()}
    assert after == before


def test_an_outputs_folder_that_was_replaced_by_a_link_is_not_followed(local: Faulty, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    local.does(f"rm -r $VH_OUTPUTS_DIR; ln -s {tmp_path}/mine $VH_OUTPUTS_DIR\n")

    local.command("pipeline", "run", "p", "--runtime", "local", code=None)

    assert (tmp_path / "mine" / "file").read_text() == "mine"


def test_files_that_come_and_go_and_turn_read_only_while_they_are_looked_at(local: Faulty) -> None:
    local.does("""
        cd $VH_OUTPUTS_DIR
        echo live > live.txt; chmod 444 live.txt
        end=$(($(date +%s) + 2))
        while [ $(date +%s) -lt $end ]; do
            mkdir -p gone && touch gone/a gone/b && chmod 444 gone/a && rm -rf gone
        done
    """)

    assert local.go() == {"make": "ran", "read": "ran"}
    assert local.outputs()["live.txt"] == "live\n"


def test_ten_thousand_outputs_are_kept_and_read(local: Faulty) -> None:
    local.does("cd $VH_OUTPUTS_DIR; mkdir a; for i in $(seq 10000); do echo $i > a/$i; done\n")

    assert local.go() == {"make": "ran", "read": "ran"}
    assert local.go() == {"make": "reused", "read": "reused"}
    assert len(local.shown("execution", "outputs", "1")["outputs"]) == 10_000
    assert sorted(map(int, local.outputs_of("a"))) == list(range(1, 10_001))


def test_five_gigabytes_of_nothing_are_kept_without_taking_room_or_memory(local: Faulty) -> None:
    size_bytes = 5 << 30
    local.does(f"printf beginning > $VH_OUTPUTS_DIR/big; truncate -s {size_bytes} $VH_OUTPUTS_DIR/big\n")
    command = ["pipeline", "run", "p", "--runtime", "local", "--outputs", "out"]

    storing = _memory(local, command)
    local.edit("valohai.yaml", "ls $VH_INPUTS_DIR/made", "head -c 9 $VH_INPUTS_DIR/made/big")
    reading = _memory(local, command)

    assert (local.folder / "out" / "make" / "big").stat().st_size == size_bytes
    assert (local.folder / "out" / "read" / "names").read_text() == "beginning"
    taken = subprocess.run(["du", "-sk", str(local.folder)], capture_output=True, text=True, check=True).stdout
    assert int(taken.split()[0]) < 50_000, "kilobytes"
    assert max(storing, reading) < 500_000, "kilobytes"


def _memory(story: Faulty, command: list[str]) -> int:
    """Runs `crystallize`; the kilobytes that it had in memory at most."""
    told = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", told, sys.executable, "-m", "crystallize", *command],
        cwd=story.folder,
        env={**os.environ, **story.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    "text",
    ['{"a": "\\ud800"}', '{"a": NaN}', '{"a": 1e999}', "[" * 50_000, '{"a": ' * 50_000 + "1" + "}" * 50_000],
    ids=["half a character", "no number", "too large", "unfinished", "deep"],
)
def test_json_that_is_hardly_any_does_no_harm(local: Faulty, text: str) -> None:
    local.write("odd.json", text)
    odd = local.folder / "odd.json"
    local.does(f"""
        cat {odd}; echo a > $VH_OUTPUTS_DIR/a; cp {odd} $VH_OUTPUTS_DIR/a.metadata.json
        echo '{{"valohai.alias": "\\\\ud800"}}' > $VH_OUTPUTS_DIR/b.metadata.json; echo b > $VH_OUTPUTS_DIR/b
        """)

    assert local.go() == {"make": "ran", "read": "ran"}
    assert local.outputs() == {"a": "a\n", "b": "b\n"}
    assert local.go() == {"make": "reused", "read": "reused"}
    local.command("execution", "metadata", "1")
    local.command("execution", "outputs", "1")


NAMES = """
- step:
    name: s
    image: busybox
    command: echo 1 > $VH_OUTPUTS_DIR/o
    inputs: [{{name: {input}, default: mine.txt, filename: {filename}}}]
- pipeline:
    name: p
    nodes: [{{name: {node}, type: execution, step: s}}]
"""


@pytest.mark.parametrize("names", [{"input": "../../evil"}, {"filename": "../../evil"}, {"node": "../../evil"}])
def test_no_name_leads_out_of_the_folders_that_it_names(tmp_path: Path, names: dict[str, str]) -> None:
    story = faulty_project(tmp_path / "project", "local")
    story.write("valohai.yaml", NAMES.format(**{"input": "i", "filename": "f", "node": "n", **names}))
    story.write("mine.txt", "mine")

    said = story.command("pipeline", "run", "p", "--runtime", "local", "--outputs", "out", code=2).stderr

    assert "../../evil" in said
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name] == []
