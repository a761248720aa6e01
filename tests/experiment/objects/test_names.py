import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.errors import DefinitionError, DefinitionTypeError, nearest
from crystallize.experiment.objects.names import FORBIDDEN, check_distinct, check_name


@pytest.mark.parametrize("name", ["train", "high_lr", "lr-0.1", "Überblick", "a b", "summary.json"])
def test_usual_names_are_safe(name: str) -> None:
    assert name == check_name("experiment", name)


UNSAFE = ["", ".", "..", ".hidden", "end.", " x", "x ", "a/b", "a\\b", "a#b", "a:b", "a*b", "a?b", "a|b", "a<b"]
UNSAFE += ["a>b", 'a"b', "a\x00b", "a\nb", "a\x7fb", "\ud800", "x" * 201]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("kind", ["experiment", "condition", "artifact", "alias"])
def test_unsafe_names_are_refused_with_their_place(kind: str, name: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        check_name(kind, name, path="config.yaml", line=3, key="outputs")  # type: ignore[arg-type]

    assert str(caught.value).startswith(f"config.yaml:3: outputs: {kind} name ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [3, True, None, 1.5, ["x"]])
def test_a_name_that_is_no_text_is_a_type_error(name: object) -> None:
    with pytest.raises(DefinitionTypeError, match="is no text"):
        check_name("experiment", name)


@pytest.mark.parametrize("name", ["replicate_0", "metadata.json", "_manifest.json"])
def test_what_lies_beside_conditions_is_reserved_for_conditions_only(name: str) -> None:
    with pytest.raises(DefinitionError, match="reserved"):
        check_name("condition", name)

    assert name == check_name("artifact", name)


@given(st.text(max_size=30))
def test_an_accepted_name_is_a_single_part_of_a_path(name: str) -> None:
    try:
        check_name("artifact", name)
    except DefinitionError:
        return

    assert not FORBIDDEN & set(name)
    assert name not in ("", ".", "..")


@pytest.mark.parametrize("names", [["a", "a"], ["Model", "model"], ["Straße", "STRASSE"], ["é", "e\u0301"]])
def test_names_that_a_file_system_may_confuse_are_refused(names: list[str]) -> None:
    with pytest.raises(DefinitionError, match="rename one"):
        check_distinct("alias", names)


def test_distinct_names_pass() -> None:
    check_distinct("condition", ["baseline", "high", "higher"])


def test_the_nearest_names_are_offered() -> None:
    assert nearest("sumary", ["summary", "model"]) == "did you mean 'summary'?"
    assert nearest("zzz", ["summary", "model"]) == "known: 'model', 'summary'"
    assert nearest("zzz", []) == "none is defined"
