"""The attacker's goal: to read, by a plan that names it as a secret, a file that only the engine's user may read; or to hold the engine up
by one that never ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from fake_machine import PLAN, running

from engine.api.control import Attached, Reason, commit_plan, sentence
from engine.attach.client import Receipt
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.runtime.engine import Engine
from engine.trust.vault import Vault, VaultError, at_hand


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running(tmp_path / "store", plan_file.read(PLAN, "plan.yml", shipped())) as one:
        yield one


def with_secret(path: Path) -> str:
    return f"secrets: {{pass-phrase: {{file: {path}}}}}\n{PLAN}"


def kept(engine: Engine) -> str | None:
    """What the engine has sealed, read from its files."""
    return Vault(engine.config.store, engine.config.keys).open("pass-phrase")


def test_the_engine_opens_no_file_for_a_client(engine: Engine, tmp_path: Path) -> None:
    """Whoever may ask the engine may be somebody who must not read the file. A client sends what it could read itself."""
    theirs = tmp_path / "shadow"
    theirs.write_text("of root")
    with Attached(engine.config.store) as client:
        answer = client.commit(with_secret(theirs))
        assert isinstance(answer, Reason)
        assert "secret pass-phrase is missing" in sentence(answer)
        assert kept(engine) is None
        assert isinstance(client.commit(with_secret(theirs), "plan", {"pass-phrase": "mine"}), Receipt)
    assert kept(engine) == "mine"


def test_a_client_reads_with_its_own_rights(engine: Engine, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("a phrase\n")
    with Attached(engine.config.store) as client:
        assert isinstance(commit_plan(client, with_secret(mine), "plan"), Receipt)
        assert kept(engine) == "a phrase"
        mine.unlink()
        assert isinstance(commit_plan(client, with_secret(mine), "plan"), Receipt), "what is sealed stays"
        wrong = commit_plan(client, with_secret(engine.config.store / "store.db"), "plan")
        assert isinstance(wrong, Reason)
        assert "is a file of a store" in sentence(wrong)


def test_secrets_that_no_plan_names_are_not_kept(engine: Engine) -> None:
    with Attached(engine.config.store) as client:
        assert isinstance(client.commit(PLAN, "plan", {"pass-phrase": "planted"}), Receipt)
    assert kept(engine) is None


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "link to a device", "socket"])
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "secret"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "folder":
            path.mkdir()
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "socket":
            os.mknod(path, 0o140600)
    with pytest.raises(VaultError, match="is no regular file: put the secret into one"):
        at_hand({"pass-phrase": {"file": str(path)}}, {})
