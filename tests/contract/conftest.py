"""What steps noted in one test is unknown to the next."""

import pytest

from .making import CALLS


@pytest.fixture(autouse=True)
def no_calls_yet() -> None:
    CALLS.clear()
