from pathlib import Path

import pytest

from crystallize.errors import DefinitionError, DefinitionTypeError, MissingFileError
from crystallize.yaml_lines import parse_document, parse_value, read_document

PATH = Path("config.yaml")


def test_every_key_and_item_has_its_line() -> None:
    document = parse_document("name: a\nsteps:\n  - one\n  - two:\n      k: 1\n", PATH)

    assert document.value == {"name": "a", "steps": ["one", {"two": {"k": 1}}]}
    assert document.lines[("name",)] == 1
    assert document.lines[("steps", 1)] == 4
    assert document.lines[("steps", 1, "two", "k")] == 5


def test_an_unknown_entry_has_the_line_of_what_is_around_it() -> None:
    document = parse_document("a: 1\nb:\n  c: 2\n", PATH)

    assert document.line("b", "c", "d") == 3
    assert document.line("b", "x") == 2
    assert document.line("z") == 1


@pytest.mark.parametrize(
    ("text", "line", "fact"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' is given twice, first on line 1"),
        ("a:\n\tb: 1\n", 2, "a tab indents this line"),
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("- a\n- b\n", 1, "the top is a list"),
        ("hello\n", 1, "the top is a single value"),
        ("a: [1, 2\n", 2, "no valid YAML"),
        ("a: 'b\nc: d\n", 1, "no valid YAML"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("a:\n  - b\n c: d\n", 3, "no valid YAML"),
        ("a: 1\nb: !include x\n", 2, "the tag '!include'"),
        ("a: !!python/object:os.x {}\n", 1, "the tag '!!python/object:os.x'"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\nb: *c\n", 2, "undefined alias"),
        ("a: &x [*x]\n", 1, "inside its own anchor"),
        ("a: 1\n? [1, 2]\n: 3\n", 2, "a key is a list"),
        ("a: 1\nb: 2024-13-45\n", 2, "is no value"),
        ("a: 1\nb: \x07\n", 2, "the character U+0007"),
        ("a: 1\nb:\n  <<: 3\n", 3, "'<<' merges"),
    ],
)
def test_bad_yaml_is_one_line_with_path_line_and_fact(text: str, line: int, fact: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_document(text, PATH)

    message = str(caught.value)
    assert message.startswith(f"config.yaml:{line}: ")
    assert fact in message
    assert "\n" not in message
    assert caught.value.remedy


def test_nesting_without_end_is_no_crash() -> None:
    with pytest.raises(DefinitionError, match="nested too deeply"):
        parse_document("a: " + "[" * 5000 + "]" * 5000, PATH)


def test_aliases_cannot_make_a_text_endless() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]

    with pytest.raises(DefinitionError, match="aliases repeat"):
        parse_document("\n".join(lines), PATH)


def test_anchors_and_merges_are_read_as_the_safe_loader_reads_them() -> None:
    text = "base: &b {k: 1, z: 2}\nother: &o {z: 3, y: 4}\nuse:\n  <<: [*b, *o]\n  k: 5\nsame: *b\n"

    document = parse_document(text, PATH)

    assert document.value["use"] == {"k": 5, "z": 2, "y": 4}
    assert document.value["same"] == {"k": 1, "z": 2}
    assert document.lines[("use", "k")] == 5
    assert document.lines[("use", "z")] == 1


def test_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("\ufeffname: ü\r\nsteps:\r\n  - one\r\n".encode())

    document = read_document(path)

    assert document.value == {"name": "ü", "steps": ["one"]}
    assert document.lines[("steps", 0)] == 3


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"name: a\ndescription: \xfc\n")

    with pytest.raises(DefinitionError, match=r"config\.yaml:2: byte 0xfc is not UTF-8; save"):
        read_document(path)


@pytest.mark.parametrize("name", ["absent.yaml", "folder"])
def test_what_is_no_file_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(MissingFileError):
        read_document(tmp_path / name)


def test_a_list_at_the_top_is_a_type_error() -> None:
    with pytest.raises(DefinitionTypeError):
        parse_document("- a", PATH)


def test_a_single_value_may_be_anything() -> None:
    assert parse_value("[1, {a: true}]", "--set") == [1, {"a": True}]
    assert parse_value("", "--set") is None


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001"])
def test_numbers_in_scientific_notation_are_numbers(text: str) -> None:
    document = parse_document(f"lr: {text}", Path("config.yaml"))

    assert document.value == {"lr": 0.001}
