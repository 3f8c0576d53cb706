"""Which parameters of a test stay in `make test`, and which ones only CI runs (`make long`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def thinned(values: Iterable[Any], each: int, ids: Iterable[str] = ()) -> list[Any]:
    """Parameters for `parametrize`: the first of each so many stays, the others are `long`. `ids`: theirs, in the same order.

    A test that does one thing for even seeds and another for odd ones needs an odd `each`: else only one of them stays."""
    names = dict(enumerate(ids))
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=pytest.mark.long if number % each else (),
            **({"id": names[number]} if number in names else {}),
        )
        for number, value in enumerate(values)
    ]
