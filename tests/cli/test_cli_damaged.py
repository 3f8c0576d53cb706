"""A damaged store or key ends a command in one sentence, never in a traceback; and a store at work is not thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_store import Run

from engine.files.paths import keys_beside
from engine.rehearsal.session import begin_anew
from engine.runtime.engine import Engine
from engine.store.file import FILE
from engine.store.store import Store, StoreError
from engine.trust.vault import Vault


def refused(found: tuple[int, str, str], *words: str) -> None:
    code, out, err = found
    assert code == 2, found
    assert out == ""
    (line,) = [line for line in err.splitlines() if not line.startswith("crowbar: there is no plan to check against")]
    assert line.startswith("crowbar: ")
    assert all(word in line for word in words), line


@pytest.mark.parametrize("name", ["seal.key", "site.key", "engine_ed25519", "ca.key"])
def test_a_damaged_key(store: Path, crowbar: Run, name: str) -> None:
    keys = keys_beside(store)
    Vault(store, keys)
    (keys / name).write_text("none")
    (keys / name).chmod(0o600)
    if name == "ca.key":
        (keys / "ca.crt").write_text("none")
    refused(crowbar("engine"), str(keys / name), "restore")


def test_damaged_sealed_secrets(store: Path, crowbar: Run) -> None:
    Vault(store, keys_beside(store))
    (store / "sealed.json").write_text('{"bmc-password": 7}')
    (store / "sealed.json").chmod(0o600)
    refused(crowbar("engine"), "sealed.json does not hold sealed secrets", "commit the plan again")


def test_an_empty_store(store: Path, crowbar: Run) -> None:
    (store / FILE).write_bytes(b"")
    for words in (["engine"], ["status"], ["events"], ["plan", "save"]):
        refused(crowbar(*words), f"{store / FILE} is empty, so it is damaged", "restore a copy of it")
    assert (store / FILE).stat().st_size == 0


def test_a_bit_in_a_name(store: Path, crowbar: Run) -> None:
    """SQLite finds nothing wrong with it."""
    Store.open(store).close()
    body = (store / FILE).read_bytes()
    (store / FILE).write_bytes(body.replace(b"compute-11", b"compute-19"))
    for words in (["engine"], ["status"], ["nodes"]):
        refused(crowbar(*words), "is damaged", "differs from what the engine wrote", "restore a copy of the store")
    code, out, _ = crowbar("doctor")
    assert code == 1
    assert "differs from what the engine wrote" in " ".join(out.split())


def test_a_store_whose_log_was_thrown_away(store: Path, crowbar: Run) -> None:
    with Store.open(store) as opened:
        kept = (store / FILE).read_bytes()
        opened.commit([(row_of(opened), [])])
    (store / FILE).write_bytes(kept)
    refused(crowbar("engine"), "ends at change 1, and changes up to 2 were promised", "go on without 1 of them")
    (store / "promised").unlink()
    with Store.open(store) as opened:
        assert opened.seq == 1


def row_of(store: Store):
    from engine.events import Happened, Operate

    return Happened(2000.0, store.now() + 1, Operate(who="op", verb="hold", node=""))


def test_a_store_at_work_is_not_thrown_away(engine: Engine) -> None:
    with pytest.raises(StoreError, match="an engine runs on .* stop it first, with crowbar --store"):
        begin_anew(engine.config.store)
    engine.config.store.joinpath(FILE).stat()
