"""Same clock words everywhere, and a way to look at a screen as plain text."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "CROWBAR_THEME", "CROWBAR_ASCII", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def defects() -> Iterator[list[str]]:
    """Tracebacks of what could not be drawn or done, which the console survives. No test passes over one: who expects it clears the list."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(logging.Formatter("%(message)s").format(record))

    handler, logger = Kept(), logging.getLogger("crowbar_tui.console.defects")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)
    assert not found, "\n".join(found)


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """Compare text with tests/golden/console/NAME.txt; `CROWBAR_GOLDEN=write` writes it."""
    folder = Path(__file__).parents[1] / "golden" / "console"

    def check(name: str, text: str) -> None:
        path = folder / f"{name}.txt"
        if os.environ.get("CROWBAR_GOLDEN") == "write":
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run with CROWBAR_GOLDEN=write, and read it"
        assert text == path.read_text(encoding="utf-8")

    return check


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Tests that are coroutines run in an event loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
