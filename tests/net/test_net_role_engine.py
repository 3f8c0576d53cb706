"""A change of the admin network that cuts the node off: real ports, a real sshd, the engine's decisions and its SSH. The node comes back by itself,
and the role says why it failed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import net_lab
import pytest
from role_lab import ADDRESS, NODE_TOOLS, RoleLab, admin, link, until

from engine.jigs.ssh_key import engine_key, new_private_key, public_line, read_private_key

WHY = net_lab.why_no_lab() if os.geteuid() == 0 else "the node's own /sys can only be mounted by root"
SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.skipif(bool(WHY), reason=WHY or "it can be made"),
    pytest.mark.skipif(SSHD is None, reason="sshd is not installed"),
    pytest.mark.client,
]

BOND = r"""#!/bin/sh
# An ip(8) for a kernel without bonds: a bond is a bridge, whose switch side passes nothing if the mode is 802.3ad.
net=$CROWBAR_ROOT/sys/class/net
case "$*" in
*"type bond "*)
    /usr/sbin/ip link add name "$4" address "$6" type bridge || exit 1
    mkdir -p "$net/$4/bonding"
    for one in mtu flags address carrier; do ln -s "/sys/class/net/$4/$one" "$net/$4/$one"; done
    shift 8
    while [ $# -gt 1 ]; do echo "$2" >"$net/bond0/bonding/$1"; shift 2; done
    ;;
"link set dev bond0 up") /usr/sbin/ip "$@" && case $(cat "$net/bond0/bonding/mode") in 802.3ad) bridge link set dev c0 state 0 ;; esac ;;
"link del dev bond0") /usr/sbin/ip "$@" && rm -r "$net/bond0" ;;
*) exec /usr/sbin/ip "$@" ;;
esac
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RoleLab]:
    with RoleLab(tmp_path) as made:
        (tmp_path / "sbin").mkdir()
        for tool in ("attempt", "attribute"):
            shutil.copy(NODE_TOOLS / tool, tmp_path / "sbin" / tool)
        (tmp_path / "host_key").write_text(new_private_key())
        (tmp_path / "host_key").chmod(0o600)
        (tmp_path / "authorized").write_text(engine_key(tmp_path / "engine_key").public + "\n")
        (tmp_path / "config").write_text(
            f"Port 22\nHostKey {tmp_path}/host_key\nAuthorizedKeysFile {tmp_path}/authorized\nStrictModes no\nUsePAM no\nPidFile none\n"
            f"PasswordAuthentication no\nPermitRootLogin prohibit-password\nSetEnv HOME={tmp_path}\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        with (tmp_path / "sshd.log").open("wb") as said:
            made.popen("node", str(SSHD), "-D", "-e", "-f", str(tmp_path / "config"), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        until(
            lambda: made.run("server", "bash", "-c", f"exec 3<>/dev/tcp/{ADDRESS}/22", check=False).returncode == 0, "sshd does not start"
        )
        yield made


def drive(lab: RoleLab, wanted: dict[str, Any], wait_s: int, limit_s: float = 280.0) -> tuple[list[dict[str, Any]], float]:
    """What the engine saw, and for how many seconds the node did not answer."""
    given = {
        "folder": str(lab.folder),
        "attributes": {"network": wanted, "network-targets": []},
        "address": ADDRESS,
        "host_key": public_line(read_private_key((lab.folder / "host_key").read_text())),
        "limit_s": limit_s,
        "environment": {
            **lab.environment,
            "CROWBAR_HOME": str(lab.folder / "home"),
            "CROWBAR_NETWORK_WAIT_S": str(wait_s),
            "PATH": f"{lab.folder}/tools:{os.environ['PATH']}:/usr/sbin:/sbin",
        },
    }
    script = str(Path(__file__).with_name("net_role_engine.py"))
    engine = lab.popen("server", sys.executable, script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert engine.stdin is not None
    engine.stdin.write(json.dumps(given))
    engine.stdin.close()
    gone, longest = None, 0.0
    while engine.poll() is None:
        if lab.answers():
            gone = None
        else:
            gone = gone or time.monotonic()
            longest = max(longest, time.monotonic() - gone)
        time.sleep(0.2)
    assert engine.stdout is not None
    assert engine.stderr is not None
    with engine.stdout, engine.stderr:
        told = [json.loads(line) for line in engine.stdout.read().splitlines()]
        assert told, engine.stderr.read()
        assert told[-1]["what"] == "end", engine.stderr.read()
    return told, longest


def test_a_change_that_the_engine_confirms(lab: RoleLab) -> None:
    told, gone = drive(lab, admin(bridge="br-admin"), 20)
    assert told[-1]["state"] == "active", told
    assert [one["action"] for one in told if one["what"] == "start"] == ["run", "verify"]
    assert gone < 10
    assert "br-admin" in lab.live()
    assert not lab.state("change").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (admin(links=[link(1)]), f"admin on c1 ({ADDRESS}/24)"),
        (
            admin(bond={"name": "bond0", "mode": "802.3ad", "hash": "layer2", "miimon": 100}),
            f"admin on bond0 ({ADDRESS}/24, bond 802.3ad)",
        ),
        (admin(address="192.168.124.99"), "admin on c0 (192.168.124.99/24)"),
    ],
    ids=["wrong-port", "wrong-bond-mode", "wrong-address"],
)
def test_a_change_that_cuts_the_node_off(lab: RoleLab, wanted: dict[str, Any], says: str) -> None:
    (lab.folder / "tools" / "ip").write_text(BOND)
    (lab.folder / "tools" / "ip").chmod(0o755)
    (lab.root / "sys").unlink()  # bonds of the stand-in are folders beside the real ports
    (lab.root / "sys/class/net").mkdir(parents=True)
    for port in ("c0", "c1", "lo"):
        (lab.root / "sys/class/net" / port).symlink_to(f"/sys/class/net/{port}")
    before, files = lab.live(), lab.files()
    told, gone = drive(lab, wanted, 40)
    assert 20 < gone < 60, told
    assert (lab.live(), lab.files()) == (before, files)
    end = told[-1]
    assert (end["state"], end["tries"], end["alive"]) == ("error", 1, True), told
    assert f"network: {says} was taken back: no call from the engine came within 40 s" in end["reasons"][0]
    assert [one["action"] for one in told if one["what"] == "start" and not one["resume"]] == ["run", "verify"], "it is not tried again"
    shutil.rmtree(lab.folder / "home")  # the second engine counts its attempts from one
    again, _ = drive(lab, admin(), 20)
    assert again[-1]["state"] == "active", again
