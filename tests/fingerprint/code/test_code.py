"""What of a definition's own text counts."""

from __future__ import annotations

from crystallize.fingerprint.code.codebase import Codebase
from crystallize.fingerprint.left import LeftStates

from ..projects import Project, codebase

STEP = """
    def step(data):
        return data * 2
"""


def test_same_text_in_two_folders_is_the_same_code(project: Project) -> None:
    assert project.same(STEP, STEP)


def test_body_counts(project: Project) -> None:
    assert not project.same(STEP, STEP.replace("2", "3"))


def test_comments_blank_lines_and_layout_do_not_count(project: Project) -> None:
    spread = """
        # a comment


        def step(
            data,  # the numbers
        ):
            # twice
            return (
                data
                * 2
            )
    """

    assert project.same(STEP, spread)


def test_docstrings_do_not_count(project: Project) -> None:
    documented = '''
        """A module."""

        def step(data):
            """Doubles."""
            return data * 2
    '''

    assert project.same(STEP, documented)


def test_docstrings_count_where_reached_code_reads_them(project: Project) -> None:
    text = '''
        def prompt():
            """Say yes."""

        def step(data):
            return prompt.__doc__
    '''

    assert not project.same(text, text.replace("yes", "no"))


def test_types_of_constants_count(project: Project) -> None:
    digests = {project.code(STEP.replace("2", constant)).digest for constant in ("1", "1.0", "True", "'1'", "b'1'")}

    assert len(digests) == 5


def test_huge_integers_can_be_written(project: Project) -> None:
    huge = f"0x{'f' * 5000}"

    assert project.code(STEP.replace("2", huge)).digest


def test_parameter_annotations_count_as_text_only(project: Project) -> None:
    text = """
        class Rate: limit = 1
        def step(data: Rate): return data
    """

    assert project.same(text, text.replace("limit = 1", "limit = 2"))
    assert not project.same(text, text.replace("data: Rate", "data: int"))


def test_our_decorators_do_not_count(project: Project) -> None:
    plain = "def step(data): return data * 2"
    ways = [
        "from crystallize import resource_factory\n@resource_factory\n",
        "import crystallize\n@crystallize.resource_factory\n",
        "import crystallize as c\n@c.resource_factory\n",
        "from crystallize import resource_factory as made\n@made\n",
    ]

    expected = project.code(plain).digest
    for way in ways:
        with project.imported({"steps": way + plain}) as steps:
            assert codebase(project.write({})).of(steps.step.definition).digest == expected


def test_arguments_of_our_decorators_lead_nowhere(project: Project) -> None:
    text = """
        import crystallize
        LIMIT = 1
        @crystallize.pipeline_step(version=str(LIMIT))
        def step(data): return data
    """

    assert "LIMIT" not in project.code(text, "steps:step.definition").preview


def test_our_decorators_reexported_by_the_project_do_not_count(project: Project) -> None:
    plain = {"steps": "def step(data): return data * 2"}
    through = {
        "steps": "from mine import made\n@made\ndef step(data): return data * 2",
        "mine": "from crystallize import resource_factory as made",
    }

    with project.imported(through) as steps:
        digest = codebase(project.write({})).of(steps.step.definition).digest

    assert digest == project.code(plain).digest


def test_other_decorators_count(project: Project) -> None:
    text = """
        def twice(f):
            return lambda data: f(f(data))
        @twice
        def helper(data): return data + 1
        def step(data): return helper(data)
    """

    assert not project.same(text, text.replace("@twice", ""))
    assert not project.same(text, text.replace("f(f(data))", "f(f(f(data)))"))


def test_async_functions_and_generators_are_told_apart(project: Project) -> None:
    plain = "def step(data): return data"

    assert not project.same(plain, "async def step(data): return data")
    assert not project.same(plain, "def step(data): yield data")


def test_preview_tells_names_in_order_of_first_use(project: Project) -> None:
    text = """
        FACTOR = 3
        def scale(x): return x * FACTOR
        def step(data): return scale(data)
    """

    assert project.code(text).preview == "step → scale → FACTOR"


def test_preview_is_cut_after_six_names(project: Project) -> None:
    names = "abcdefgh"
    text = "\n".join(f"{name} = 1" for name in names) + f"\ndef step(): return {' + '.join(names)}"

    assert project.code(text).preview == "step → a → b → c → d → e → … +3"


def test_pieces_carry_qualified_name_and_text(project: Project) -> None:
    files = {
        "steps": "from helpers import scale\n\ndef step(data):\n    return scale(data)  # all\n",
        "helpers": "def scale(x):\n    return x\n",
    }

    pieces = [(piece.name, piece.text) for piece in project.code(files).pieces]

    assert pieces == [
        ("steps.step", "def step(data):\n    return scale(data)  # all"),
        ("helpers.scale", "def scale(x):\n    return x"),
    ]


def test_value_that_only_run_time_knows_is_a_piece_of_its_own(project: Project) -> None:
    pieces = project.code("RATE = 2 ** 3\ndef step(): return RATE").pieces

    assert ("steps.RATE (value)", "8") in [(piece.name, piece.text) for piece in pieces]


def test_definition_is_read_once_per_codebase(project: Project) -> None:
    with project.imported({"steps": "def step(data): return data"}) as steps:
        code = Codebase(project.write({}), LeftStates())

        assert code.of(steps.step) is code.of(steps.step)
        assert code.digest_of(steps.step) == code.of(steps.step).digest


def test_two_functions_of_one_name_in_one_module_differ(project: Project) -> None:
    text = """
        def step(data): return 1
        first = step
        def step(data): return 2
    """

    assert project.code(text, "steps:first").digest != project.code(text, "steps:step").digest


def test_order_of_unrelated_definitions_does_not_count(project: Project) -> None:
    one = "A = 1\nB = 2\ndef step(): return A + B"
    other = "def step(): return A + B\nB = 2\nA = 1"

    assert project.same(one, other)


def test_what_is_not_reached_does_not_count(project: Project) -> None:
    assert project.same(STEP, "import json\nUNUSED = 1\ndef other(): return json\n" + "def step(data): return data * 2")


def test_recursion_and_mutual_recursion_end(project: Project) -> None:
    text = """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def step(n): return step(n - 1) if n else even(n)
    """

    assert project.same(text, text)
    assert not project.same(text, text.replace("n != 0", "n > 0"))


def test_long_chains_of_calls_need_no_stack(project: Project) -> None:
    calls = "\n".join(f"def f{n}(): return f{n + 1}()" for n in range(2000))
    text = f"{calls}\ndef f2000(): return 1\ndef step(): return f0()"

    assert not project.same(text, text.replace("return 1", "return 2"))


def test_long_sums_and_long_ladders_need_no_stack(project: Project) -> None:
    total = " + ".join(["x"] * 1500)
    ladder = "    if x == 0: return 0\n" + "".join(f"    elif x == {n}: return {n}\n" for n in range(1, 90))
    text = f"def step(x):\n{ladder}    return {total}\n"

    assert not project.same(text, text.replace("elif x == 80", "elif x == 81"))
