"""The role's own scripts, as the engine starts them (jig `device`), against a command line: outcomes, gives, and no password anywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_server import CliServer
from sim_ios import IosSim

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jigs"))

from jig_orders import Inbox, order

from engine.files.catalog import shipped
from engine.jigs.local import LocalJig
from engine.jigs.logs import Logs

BARCLAMP = Path(__file__).resolve().parents[2] / "barclamps" / "switch"
PASSWORD = "s3cr3t-Pw"
GIVES = {"switch-ports": ("switch-ports",), "switch-addresses": ("switch-addresses",)}


class Delegate:
    """The jig `device`, and a switch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sim = IosSim("eos", [f"Ethernet{n}" for n in range(1, 5)])
        self.sim.addresses = "  10    5254.0000.0001    DYNAMIC     Et4        1       0:01:30 ago\n"
        self.server = CliServer(self.sim)  # type: ignore[arg-type]
        self.inbox = Inbox()
        self.jig = LocalJig(self.inbox, Logs(folder / "logs"), folder / "device")
        self.count = 0

    def run(self, role: str, action: str = "run", want: dict[str, Any] | None = None, **access: Any) -> Any:
        self.count += 1
        told = {
            "device": {"name": "tor1", "id": "sw-5254ff000001", "address": "127.0.0.1"},
            "switch-access": {"*": {"driver": "arista_eos"}, "tor1": {"port": self.server.port, **access}},
            "switch-password": PASSWORD,
        }
        if role == "switch-ports":
            told |= {"switch-ports-wanted": want or {}, "switch-untagged": {}}
        self.jig.start(
            order(
                f"ab-{self.count}.0",
                folder=BARCLAMP / "roles" / role,
                jig="device",
                node="sw-5254ff000001",
                role_name=role,
                action=action,  # type: ignore[arg-type]
                gives=GIVES[role],
                attributes=told,
                sealed=("switch-password",),
            )
        )
        return self.inbox.wait(self.count)[-1]

    def close(self) -> None:
        self.jig.close()
        self.server.close()


@pytest.fixture
def delegate(tmp_path: Path) -> Iterator[Delegate]:
    found = Delegate(tmp_path)
    yield found
    found.close()


WANT = {"ports": [{"port": "Et1", "tagged": [200], "description": "node-1 10g0", "why": "lldp"}], "left": {"Et3": "set up by hand"}}


def test_look_run_look(delegate: Delegate) -> None:
    before = delegate.run("switch-ports", "verify", WANT)
    assert (before.what, before.failure.code) == ("failed", "verify_failed")
    assert "tagged 200" in str(before.failure)
    done = delegate.run("switch-ports", "run", WANT)
    assert done.what == "done", done
    assert done.gives["switch-ports"] == {
        "ports": [{"port": "Et1", "untagged": 1, "tagged": [200], "lag": "", "description": "node-1 10g0"}],
        "left": [{"port": "Et3", "why": "set up by hand"}],
    }
    assert delegate.sim.saved == delegate.sim.truth()
    again = delegate.run("switch-ports", "verify", WANT)
    assert (again.what, again.gives) == ("done", done.gives)
    kept = "".join(path.read_text(errors="replace") for path in delegate.folder.rglob("*.log"))
    assert kept
    assert PASSWORD not in kept


def test_the_table_of_addresses(delegate: Delegate) -> None:
    done = delegate.run("switch-addresses")
    assert done.gives == {"switch-addresses": [{"mac": "52:54:00:00:00:01", "port": "Et4", "vlan": 10, "age_s": 90}]}


def test_a_switch_that_people_set_up(delegate: Delegate) -> None:
    done = delegate.run("switch-ports", "run", WANT, driver="none")
    assert done.gives == {"switch-ports": {"ports": [], "left": [{"port": "Et3", "why": "set up by hand"}]}}
    assert not delegate.server.lines


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"driver": "arista"}, "unknown driver 'arista'"),
        ({"user": "root"}, "refuses the account root"),
        ({"port": 1}, "does not answer by SSH"),
    ],
)
def test_a_failure_says_what_to_do(delegate: Delegate, access: dict[str, Any], words: str) -> None:
    failed = delegate.run("switch-ports", "run", WANT, **access)
    assert (failed.what, failed.failure.code) == ("failed", "script_failed")
    assert words in str(failed.failure)
    assert PASSWORD not in str(failed)


def test_the_own_way_is_a_failure_with_the_reason(delegate: Delegate) -> None:
    want = {**WANT, "own": {"port": "Ethernet1", "macs": []}}
    failed = delegate.run("switch-ports", "run", want)
    assert failed.what == "failed"
    assert "the engine's own cable ends there" in str(failed.failure)
    assert delegate.sim.truth()["Ethernet1"][1] == frozenset()


def test_the_shipped_roles_are_these() -> None:
    assert {name: shipped().roles[name].gives for name in GIVES} == GIVES
