from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.fingerprint.secret import HIDDEN, holds_secret, is_secret, mentions_secret, without_secrets

SECRETS = "key keys api_key API_KEY apiKey APIKey apikey token auth-token HF_TOKEN password dbPassword secret pwd"
PLAIN = "keyboard monkey keyed max_tokens tokenize tokenizer rate hockey lr"


@dataclass
class Login:
    user: str
    password: str


@pytest.mark.parametrize("name", SECRETS.split())
def test_these_names_look_like_secrets(name: str) -> None:
    assert is_secret(name)
    assert mentions_secret(json.dumps({name: 1}))


@pytest.mark.parametrize("name", PLAIN.split())
def test_these_do_not(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ({"a": [{"api_key": "x"}]}, True),
        ([Login("me", "x")], True),
        ({"token": None}, True),
        ({"a": "token", "b": [1, 2.5]}, False),
        ("password", False),
        (range(9), False),
    ],
)
def test_a_secret_is_found_however_deep(value: Any, holds: bool) -> None:
    assert holds_secret(value) is holds


def test_what_holds_itself_is_no_endless_search() -> None:
    value: list[Any] = []
    value.append(value)

    assert not holds_secret(value)


def test_only_what_lies_under_a_secret_name_is_hidden() -> None:
    value = {"params": {"api_key": "x", "n": [1, {"token": "y"}]}, "password": None}

    shown = without_secrets(value)

    assert shown == {"params": {"api_key": HIDDEN, "n": [1, {"token": HIDDEN}]}, "password": None}


@given(st.text())
def test_no_secret_name_escapes_the_quick_question(name: str) -> None:
    assert mentions_secret(name) or not is_secret(name)
