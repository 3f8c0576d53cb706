"""The interface that serves the rack goes away and comes back, in every way that it can: `crowbar engine` says so, and serves it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from net_lab import ADMIN, HERE, Lab, plan_text, stop, wait_for, why_no_lab

from engine.attach.client import Attached, Receipt
from engine.attach.place import AttachError

WHY = why_no_lab()
pytestmark = [pytest.mark.net, pytest.mark.skipif(bool(WHY), reason=f"no lab: {WHY}")]
ALL = {"dhcp": True, "tftp": True, "http": True}


class Site:
    """A client and `crowbar engine` on a cable. The engine, if root starts it, becomes `user`: it must serve without root."""

    def __init__(self, path: Path, lab: Lab, plan: str = "") -> None:
        self.path, self.store, self.lab = path, path / "store", lab
        (path / "plan.yml").write_text(plan or plan_text(), encoding="utf-8")
        self.ip("server", "link del br0")  # a bridge drops LLDP
        self.ip("server", "link del s0")
        self.cable()
        self.start()

    def start(self, user: str = "nobody", planned: bool = True) -> Path:
        """Starts the engine, and waits until it serves, or answers if no plan is `planned`; the file of what it says."""
        command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(self.store), "engine", "--interface", "s0"]
        command += ["--user", user] if os.geteuid() == 0 else []
        said = self.path / f"engine-{user}.log"
        with said.open("wb") as log:
            plan = ["--plan", str(self.path / "plan.yml")] if planned else []
            self.engine = self.lab.popen("server", *command, *plan, cwd=HERE.parents[1], stdout=log, stderr=log)
        wait_for(lambda: self.engine.poll() is not None or self._is_up(planned), "the engine serves")
        assert self.engine.poll() is None, said.read_text()
        return said

    def _is_up(self, planned: bool) -> bool:
        health = self.health()
        return health["interface"].get("name") == "s0" if planned and health else bool(health)

    def stop(self) -> None:
        stop(self.engine)

    def cable(self) -> None:
        """Makes the interface of the engine, and the client's at its other end."""
        self.lab.cable("s0", "one")
        self.ip("server", f"address add {ADMIN}/24 brd + dev s0")
        self.ip("one", "address replace 192.168.124.200/24 dev c0")

    def ip(self, where: str, words: str) -> None:
        self.lab.run(where, "ip", *words.split())

    def health(self) -> dict[str, Any]:
        try:
            with Attached(self.store, timeout_s=5.0) as engine:
                answer = engine.health()
        except AttachError:
            return {}
        assert isinstance(answer, Receipt)
        assert isinstance(answer.result, dict)
        return answer.result

    def code(self) -> str:
        return str(self.health()["interface"]["code"])

    def asked(self) -> dict[str, bool]:
        found: dict[str, bool] = json.loads(self.lab.run("one", sys.executable, str(HERE / "net_asks.py"), ADMIN).stdout)
        return found

    def lldp(self) -> int:
        with Attached(self.store, timeout_s=5.0) as engine:
            answer = engine.packets("", 0)
        assert isinstance(answer, Receipt)
        body: Any = answer.result
        return sum(one["kind"] == "lldp" for one in body["packets"])

    def serves_all(self) -> None:
        """DHCP, TFTP and HTTP answer, and an LLDP frame is heard."""
        before = self.lldp()
        wait_for(lambda: self.code() == "" and self.asked() == ALL and self.lldp() > before, "everything is served")

    def status(self, *more: str) -> str:
        command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(self.store), "status", *more]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parents[1], timeout=60).stdout


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path, Lab("one") as lab:
        os.chmod(path, 0o755)  # pytest's own folders are shut for other users
        one = Site(Path(path), lab)
        yield one
        assert one.engine.poll() is None, "the engine has not ended"
        assert os.geteuid() != 0 or one.health()["process"]["user"] == "nobody"
        one.stop()


def test_an_interface_that_is_deleted_and_made_again_is_served_again(site: Site) -> None:
    site.serves_all()
    for turn in range(2):
        site.ip("server", "link del s0")
        wait_for(lambda: site.code() == "interface_gone", "the loss is told")
        if not turn:
            said = site.status()
            assert "s0: this machine has no interface s0 any more" in said
            assert "try: plug the card in or make the interface again" in said
            told = json.loads(site.status("--json"))
            assert (told["interface"]["code"], told["interface"]["name"]) == ("interface_gone", "s0")
        site.cable()
        site.serves_all()
    assert json.loads(site.status("--json"))["interface"]["code"] == ""


@pytest.mark.parametrize(
    ("away", "code", "back"),
    [
        ("server link set s0 down", "interface_down", "server link set s0 up"),
        (f"server address del {ADMIN}/24 dev s0", "interface_no_address", f"server address add {ADMIN}/24 brd + dev s0"),
        ("one link set c0 down", "interface_no_link", "one link set c0 up"),
    ],
    ids=["down", "address", "link"],
)
def test_an_interface_that_cannot_serve_says_why(site: Site, away: str, code: str, back: str) -> None:
    site.serves_all()
    site.ip(*away.split(" ", 1))
    wait_for(lambda: site.code() == code, "it is told")
    site.ip(*back.split(" ", 1))
    site.ip("one", "address replace 192.168.124.200/24 dev c0")
    site.serves_all()
