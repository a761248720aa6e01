"""Typed values of parameters and the command lines that they make."""

from pathlib import Path
from typing import Any

import pytest
from valohai_yaml.objs import Parameter

from crystallize.errors import DefinitionError, UnknownNameError
from crystallize.valohai.command import argv_of, relocated, script_of
from crystallize.valohai.values import interpolated, typed_values

PATH = Path("valohai.yaml")


def parameter(name: str, **about: Any) -> Parameter:
    return Parameter.parse({"name": name, **about})


def values(definitions: list[Parameter], **given: Any) -> dict[str, Any]:
    return typed_values({each.name: each for each in definitions}, given, path=PATH, key="step.s")


def script(command: str | list[str], definitions: list[Parameter], **given: Any) -> str:
    return script_of(command, {each.name: each for each in definitions}, values(definitions, **given))


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("integer", "64", 64), ("integer", 64.0, 64), ("float", "1e-3", 0.001), ("float", 3, 3.0),
        ("string", 123, "123"), ("string", "", ""), ("string", True, "true"),
        ("flag", "true", True), ("flag", "no", False), ("flag", True, True),
    ],
)  # fmt: skip
def test_whoever_wrote_a_value_it_is_the_same_value(kind: str, raw: Any, value: Any) -> None:
    found = values([parameter("p", type=kind)], p=raw)["p"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("integer", "6.4"), ("integer", True), ("float", "fast"), ("flag", "maybe"), ("string", ["a", "b"])],
)
def test_a_value_of_another_type_is_refused_by_name(kind: str, raw: Any) -> None:
    with pytest.raises(DefinitionError, match=r"step\.s\.p"):
        values([parameter("p", type=kind)], p=raw)


def test_limits_and_choices_hold() -> None:
    with pytest.raises(DefinitionError, match="beyond its limit; give it at most 5"):
        values([parameter("p", type="integer", max=5)], p=6)
    with pytest.raises(DefinitionError, match="choose one of a, b"):
        values([parameter("p", choices=["a", "b"])], p="c")


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rate'"):
        values([parameter("rate")], raet=1)


def test_unset_values_are_left_out_and_defaults_count_flags_too() -> None:
    definitions = [parameter("a", default=1, type="integer"), parameter("f", type="flag", default=True), parameter("u")]

    assert values(definitions) == {"a": 1, "f": True}
    assert values(definitions, a=None, f=False) == {"f": False}


@pytest.mark.parametrize(
    ("about", "given", "line"),
    [
        ({"type": "integer"}, 3, "run --p=3"),
        ({}, "it's", "run '--p=it'\"'\"'s'"),
        ({"pass-as": "-p {v}"}, "x y", "run -p 'x y'"),
        ({"type": "flag"}, True, "run --p"),
        ({"type": "flag"}, False, "run"),
        ({"type": "flag", "pass-true-as": "--yes", "pass-false-as": "--no"}, False, "run --no"),
        ({"multiple": "repeat"}, ["a", "b"], "run --p=a --p=b"),
        ({"multiple": "separate"}, ["a", "b"], "run --p=a,b"),
        ({"multiple": "separate", "multiple-separator": ";"}, ["a", "b"], "run '--p=a;b'"),
        ({"multiple": "separate"}, [], "run"),
    ],
)
def test_parameters_are_passed_as_they_ask_for(about: dict[str, Any], given: Any, line: str) -> None:
    assert script("run {parameters}", [parameter("p", **about)], p=given) == line


def test_placeholders_stand_for_one_parameter_or_its_bare_value() -> None:
    definitions = [parameter("a", default="x y"), parameter("b")]

    assert script("run {parameter:a} {parameter-value:a} {parameter:b}|{other} ${HOME}", definitions) == (
        "run '--a=x y' 'x y' |{other} ${HOME}"
    )


def test_lines_go_on_only_as_long_as_they_succeed_and_a_shebang_stands_alone() -> None:
    assert script(["a", "", "b"], []) == "a && b"
    assert argv_of("a && b") == ["/bin/sh", "-c", "a && b"]
    assert argv_of(script(["#!/bin/bash", "a", "b"], [])) == ["/bin/bash", "-c", "a && b"]
    assert argv_of("#!/usr/bin/env python3\nprint(1)") == ["/usr/bin/env", "python3", "-c", "print(1)"]


def test_the_platforms_paths_become_folders_of_this_machine() -> None:
    folders = {"outputs": "/tmp/o", "inputs": "/tmp/i", "config": "/c", "repository": "/r"}

    assert relocated("cp /valohai/inputs/a /valohai/outputs && ls /valohai/outputs2", folders) == (
        "cp /tmp/i/a /tmp/o && ls /valohai/outputs2"
    )


def test_references_may_hold_values() -> None:
    assert interpolated("data/{parameter:name}/{parameter:x}.csv", {"name": "a b"}) == "data/a b/{parameter:x}.csv"
