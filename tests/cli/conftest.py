"""Tests of the command line find their store and engine beside them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_store import brought_up, crowbar, engine, store  # noqa: F401  fixtures


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Commands take the signals of their process, which is here that of all tests."""
    taken = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in taken]
    yield
    for number, handler in zip(taken, before, strict=True):
        signal.signal(number, handler)
