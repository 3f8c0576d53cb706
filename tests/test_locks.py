"""The locks: they pin all that `pyproject.toml` asks for, with hashes, agree with each other and name no registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = {"requirements.lock": ("build",), "requirements-dev.lock": ("build", "dev", "docs", "ansible")}


def pins(lock: str) -> dict[str, tuple[str, int]]:
    """Package -> version and number of hashes."""
    out: dict[str, tuple[str, int]] = {}
    name = ""
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==([\w.]+)", line):
            name = str(canonicalize_name(match[1]))
            out[name] = (match[2], 0)
        elif re.match(r"    --hash=sha256:[0-9a-f]{64}( \\)?$", line):
            out[name] = (out[name][0], out[name][1] + 1)
        else:
            assert line.lstrip().startswith("#"), f"{lock}: {line!r} is neither a pin, a hash nor a comment"
    return out


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_pins_what_the_project_asks_for(lock: str) -> None:
    pinned = pins(lock)
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for extra in EXTRAS[lock]:
        asked += PROJECT["project"]["optional-dependencies"][extra]
    wrong = [
        text
        for text in asked
        if (wanted := Requirement(text)) and not wanted.specifier.contains(pinned.get(str(canonicalize_name(wanted.name)), ("0", 0))[0])
    ]
    assert not wrong, f"{lock} does not satisfy {wrong}: run `make lock`"
    assert not [name for name, (_, hashes) in pinned.items() if not hashes]


def test_the_locks_agree() -> None:
    users, developers = pins("requirements.lock"), pins("requirements-dev.lock")
    assert users.items() <= developers.items()


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links|--trusted-host", text)
