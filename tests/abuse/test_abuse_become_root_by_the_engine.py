"""The attacker's goal: to become root on the admin node, by a fault in a service of an engine that root started. A process that has given
up root serves all the same, and its files are still there for whom they are meant."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "net"))

from net_lab import plan_text, why_no_lab
from test_net_interface import ALL, Lab, Site

from engine.attach.client import Attached, Receipt
from engine.trust.vault import Vault

WHY = why_no_lab()
pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(bool(WHY) or os.geteuid() != 0, reason=f"needs root and a lab: {WHY}"),
]
USER = pwd.getpwnam("nobody")
SERVES = 1 << 10 | 1 << 13
"""CAP_NET_BIND_SERVICE and CAP_NET_RAW (capabilities(7))."""


@pytest.fixture
def site() -> Iterator[Site]:
    """An engine that root started, with a secret in a file that only root may read."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, Lab("one") as lab:
        os.chmod(name, 0o755)
        (Path(name) / "phrase").write_text("of root\n")
        (Path(name) / "phrase").chmod(0o600)
        yield Site(Path(name), lab, plan=f"secrets: {{pass-phrase: {{file: {name}/phrase}}}}\n{plan_text()}")


def of_process(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def engine_of(site: Site) -> int:
    return int(site.health()["pid"])


def test_every_thread_of_the_engine_is_without_root(site: Site) -> None:
    site.serves_all()
    pid = engine_of(site)
    looked_at = 0
    for path in Path(f"/proc/{pid}/task").iterdir():
        try:
            told = of_process(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # threads of a pool come and go
        looked_at += 1
        assert told["Uid"].split() == [str(USER.pw_uid)] * 4, told["Name"]
        assert [int(told[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")] == [SERVES] * 3 + [0, 0], told["Name"]
        assert told["NoNewPrivs"] == "1"
    assert looked_at > 5


def test_the_store_and_its_socket_are_still_for_whom_they_were(site: Site) -> None:
    for path in (site.store, site.store.with_name("store.keys"), *site.store.rglob("*"), *site.store.with_name("store.keys").rglob("*")):
        assert path.lstat().st_uid == USER.pw_uid, path
    with Attached(site.store) as engine:
        answer = engine.ping()
    assert isinstance(answer, Receipt)
    assert answer.result["user"] == "root"  # type: ignore[index,call-overload]
    assert site.status().startswith("0 nodes")
    site.stop()
    site.start()
    site.serves_all()


def test_a_first_plan_that_comes_later_is_served_too(site: Site) -> None:
    """Its ports are opened long after root was given up."""
    site.stop()
    site.store = site.path / "later"
    site.start(planned=False)
    with Attached(site.store) as engine:
        assert isinstance(engine.commit(plan_text().replace("address:", "interface: s0, address:")), Receipt)
    site.serves_all()
    assert of_process(engine_of(site))["Uid"].split() == [str(USER.pw_uid)] * 4


def test_what_only_root_may_read_is_read_before(site: Site) -> None:
    site.stop()
    assert Vault(site.store, site.store.with_name("store.keys")).open("pass-phrase") == "of root"


def test_an_engine_that_keeps_root_says_why(site: Site) -> None:
    site.stop()
    said = site.start(user="root")
    assert site.health()["process"]["why_root"] == "user root is asked for"
    assert "the engine runs as root: user root is asked for" in site.status()
    site.stop()
    assert said.read_text().splitlines()[0] == "crowbar: the engine runs as root: user root is asked for"
    assert site.asked() == dict.fromkeys(ALL, False)


def test_a_user_that_is_not_there_is_refused(site: Site) -> None:
    site.stop()
    command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(site.store), "engine", "--user", "no-such"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (2, "crowbar: there is no user no-such: name another with --user\n")
