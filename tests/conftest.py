"""For all tests: property tests have no deadline, since a loaded machine is no mistake of the code, and are the same in each CI run.

A test's id is short: a terminal, a report and a shell must be able to hold it. Long texts among the parameters are cut in the id.
A rack that a test starts ends with the test's process at the latest, however that is ended.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from engine.racks.process import ENDS_WITH

os.environ[ENDS_WITH] = str(os.getpid())

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

LONGEST_ID = 200
PART = 32
"""Characters that a long text keeps in an id; three of them and the longest names of files and tests are under LONGEST_ID."""


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """The id of a long text or of long octets: how they begin, and their length. None: as pytest makes it."""
    text = val.decode("latin-1") if isinstance(val, bytes) else val
    if not isinstance(text, str):
        return None
    shown = text[: PART + 1].encode("unicode_escape").decode("ascii")
    return f"{shown[:PART]}...{len(text)}" if len(shown) > PART else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long = [item.nodeid for item in items if len(item.nodeid) > LONGEST_ID]
    if long:
        shown = "\n".join(f"  {nodeid[:160]}..." for nodeid in long)
        raise pytest.UsageError(f"these tests have ids of more than {LONGEST_ID} characters; give their parameters shorter ids:\n{shown}")
