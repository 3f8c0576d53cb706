"""A secret that an operator sets and one that a role gives: both reach the roles that read them, and are written down nowhere."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from crowbar_process import crowbar
from fake_machine import FakeMachine, plan, running
from msgspec.structs import replace
from test_e2e_secrets import Seen, nowhere, written

from crowbar_tui.cli import main
from engine.core.roles import sealed
from engine.model import State
from engine.runtime.engine import Engine

SET, AGAIN, GIVEN = "pl4nted-by-an-0perator", "pl4nted-an0ther-time", "pl4nted-by-a-r0le-71"
BARCLAMP = """\
barclamp: {name: keeper, version: 1}
attributes:
  - {name: join-key, schema: {type: string, minLength: 8}, secret: true}
  - {name: node-key, schema: {type: string}, secret: true}
roles:
  - {name: keeper, stage: discovery, jig: agent, flags: [discovery], wants: [join-key], gives: [node-key], precedes: [reader]}
  - {name: reader, stage: discovery, jig: agent, flags: [discovery], wants: [node-key], precedes: [inventory, lldp, bmc-discover]}
"""


def attributes(machine: FakeMachine, attempt: str) -> dict[str, object]:
    """What the task of an order tells its script."""
    answer = machine.raw("GET", f"/agent/task/{attempt}")
    with tarfile.open(fileobj=io.BytesIO(answer)) as tar:
        file = next(one for one in tar.getmembers() if one.name.endswith("attributes.json"))
        body = tar.extractfile(file)
        assert body is not None
        found: dict[str, object] = json.loads(body.read())
        return found


def next_of(engine: Engine, machine: FakeMachine, role: str) -> str:
    """The attempt of this role, when it is ordered."""
    while True:
        order = machine.next()
        if str(order.get("id")).rpartition(".")[0] == engine.world.node_roles[(machine.node, role)].attempt:
            return str(order["id"])


def with_keeper(store: Path, tmp_path: Path) -> None:
    """Imports the barclamp into the store's catalogue."""
    folder = tmp_path / "keeper"
    for role in ("keeper", "reader"):
        (folder / "roles" / role).mkdir(parents=True)
        (folder / "roles" / role / "run").write_text("#!/bin/sh\nexit 0\n")
    (folder / "barclamp.yml").write_text(BARCLAMP)
    store.mkdir()
    assert main(["--store", str(store), "barclamp", "import", str(folder)]) == 0


@pytest.mark.slow
def test_what_is_sealed_is_written_down_nowhere(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keeper(store, tmp_path)
    shown: dict[Path, bytes] = {}

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main(["--store", str(store), *words])
        out = "".join(capsys.readouterr())
        assert found == code, out
        shown[Path("/".join(words))] = out.encode()
        return out

    secret_file = tmp_path / "secret"
    with running(store, replace(plan(), site=replace(plan().site, trust="network"))) as engine, Seen(store).looking() as seen:
        # For the whole site, before there is a node: by a file, and then another by the environment.
        secret_file.write_text(SET)
        assert "join-key of system is set" in run("set", "system", "join-key", "--secret-file", str(secret_file))
        first = engine.adapters.vault.named(sealed.PREFIX)
        other = crowbar(store, "set", "system", "join-key", "--secret-env", "JOIN_KEY", JOIN_KEY=AGAIN)
        assert other.code == 0, other
        assert len(engine.adapters.vault.named(sealed.PREFIX)) == 1
        assert not first & engine.adapters.vault.named(sealed.PREFIX), "the secret before it is destroyed"
        monkeypatch.setenv("JOIN_KEY", "sh0rt")
        assert "at least 8 characters long" in run("set", "system", "join-key", "--secret-env", "JOIN_KEY", code=1)
        assert "holds no secret" in run("set", "system", "join-key", "--secret-env", "NOTHING", code=2)

        machine = FakeMachine(engine, 1)
        machine.script()
        assert machine.hello("boot-a").status == 200
        attempt = next_of(engine, machine, "keeper")
        assert attributes(machine, attempt) == {"join-key": AGAIN}
        log = f"the new key is {GIVEN}, by {AGAIN}\n"
        assert machine.call("POST", f"/agent/log?id={attempt}&offset=0", log.encode(), machine.token).status == 200
        assert machine.result(attempt, gives={"node-key": GIVEN}).status == 200
        assert attributes(machine, next_of(engine, machine, "reader")) == {"node-key": GIVEN}
        assert engine.world.node_roles[(machine.node, "keeper")].state is State.ACTIVE

        told = run("explain", machine.node, "keeper", "join-key")
        assert "sealed, fingerprint " in told
        run("explain", machine.node, "keeper", "join-key", "--json")
        run("explain", machine.node, "reader", "node-key", "--json")
        run("set", machine.node)
        run("events", "--json")
        run("plan", "save", str(tmp_path / "saved.yml"))
        shown[tmp_path / "saved.yml"] = (tmp_path / "saved.yml").read_bytes()
        logs = b"".join(path.read_bytes() for path in (store / "logs").iterdir())
        assert b"the new key is " in logs

        # Cleared, it is gone, and its reader runs again without it.
        assert "1 role runs again" in run("set", "system", "join-key", "--clear")
        assert len(engine.adapters.vault.named(sealed.PREFIX)) == 1, "the role's own stays"
    places = {**written(store), **shown, Path("command lines"): b"\n".join(seen.lines)}
    assert store / "store.db" in places
    nowhere({"set": SET, "set again": AGAIN, "given": GIVEN}, places)
