"""A real relay (ISC dhcrelay) between a client and the engine: link selection (RFC 3527), and a renewal that goes past the relay.

far: c0 192.168.77.x  <-- veth -->  d0 192.168.77.1 : relay : c0 192.168.124.50  <-- switch -->  engine 192.168.124.10
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from net_lab import ADMIN, EngineProcess, Lab, program, wait_for, why_no_lab

WHY = why_no_lab()
pytestmark = [pytest.mark.net, pytest.mark.client, pytest.mark.skipif(bool(WHY), reason=f"no lab: {WHY}")]
RELAY, FAR_ROUTER = "192.168.124.50", "192.168.77.1"
PLAN = f"""crowbar: 1
site: {{name: lab, admin: {{address: {ADMIN}}}}}
networks:
  admin: {{subnet: 192.168.124.0/24, ranges: {{dhcp: 192.168.124.21-192.168.124.40}}, strangers: lease}}
  far: {{subnet: 192.168.77.0/24, router: {FAR_ROUTER}, ranges: {{dhcp: 192.168.77.21-192.168.77.40}}, strangers: lease}}
deployments: {{}}
"""
SCRIPT = """#!/bin/sh
{ echo "event=$1"; env; echo; } >> LOG
[ -z "$ip" ] || ip address replace "$ip/24" dev c0
[ -z "$router" ] || ip route replace default via "$router"
exit 0
"""
UDHCPC = (program("udhcpc"),) if program("udhcpc") else (program("busybox"), "udhcpc")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab("relay") as made:
        made.run("server", "ip", "link", "add", "d0", "type", "veth", "peer", "name", "e0")
        made.keep_namespace("far", "e0")
        made.run("far", "ip", "link", "set", "e0", "name", "c0", "up")
        made.run("server", "ip", "link", "set", "d0", "netns", str(made._holders["relay"].pid))
        made.run("relay", "ip", "address", "add", f"{RELAY}/24", "dev", "c0")
        made.run("relay", "ip", "address", "add", f"{FAR_ROUTER}/24", "dev", "d0")
        made.run("relay", "ip", "link", "set", "d0", "up")
        made.run("server", "ip", "route", "add", "192.168.77.0/24", "via", RELAY)
        yield made


def told(log: Path, event: str) -> dict[str, str]:
    """What udhcpc said of its last such event. A call that is not written to its end does not count."""
    whole = log.read_text().split("\n\n")[:-1] if log.exists() else []
    calls = [part for part in whole if part.startswith(f"event={event}\n")]
    return dict(line.partition("=")[::2] for line in calls[-1].splitlines() if "=" in line) if calls else {}


@pytest.mark.skipif(not program("dhcrelay"), reason="dhcrelay is not installed")
@pytest.mark.skipif(not UDHCPC[0], reason="udhcpc is not installed")
def test_a_relay_whose_address_is_in_another_subnet_selects_the_link(lab: Lab, tmp_path: Path) -> None:
    engine = EngineProcess(lab, tmp_path / "store", PLAN)
    # -U: giaddr is the address of c0, and the link of the client is told beside it
    lab.popen("relay", program("dhcrelay"), "-4", "-d", "--no-pid", "-a", "-U", "c0", "-id", "d0", ADMIN, stderr=subprocess.DEVNULL)
    script, log = tmp_path / "script", tmp_path / "log"
    script.write_text(SCRIPT.replace("LOG", str(log)))
    script.chmod(0o755)
    client = lab.popen("far", *UDHCPC, "-i", "c0", "-f", "-R", "-t", "30", "-T", "1", "-s", str(script), stderr=subprocess.DEVNULL)
    bound = wait_for(lambda: told(log, "bound"), "a lease through the relay")
    assert bound["ip"].startswith("192.168.77.")
    assert (bound["router"], bound["serverid"], bound["subnet"]) == (FAR_ROUTER, ADMIN, "255.255.255.0")

    def lease() -> dict[str, Any]:
        return next(one for one in engine.ask("leases") if one["address"] == bound["ip"])

    before = lease()
    assert (before["network"], before["state"]) == ("far", "bound")
    if lab.run("relay", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward", check=False).returncode:
        pytest.skip("the relay may not route here, so the renewal past it was not tried")
    client.send_signal(signal.SIGUSR1)
    assert wait_for(lambda: told(log, "renew"), "the renewal")["ip"] == bound["ip"]
    assert lease()["expires"] > before["expires"]


def test_the_doctor_hears_another_machine_with_our_address(lab: Lab) -> None:
    """The probing process runs in the engine's namespace, as `crowbar doctor` does there."""
    probe = "import json, engine.doctor.probes as d; print(json.dumps(d._on_the_wire('arp', 'br0', 1.0, '%s')))"

    def holders() -> Any:
        done = lab.run("server", sys.executable, "-c", probe % ADMIN, cwd=str(Path(__file__).parents[2]), timeout_s=60)
        return json.loads(done.stdout)

    assert holders() == []
    lab.run("relay", "ip", "address", "add", f"{ADMIN}/24", "dev", "c0")
    assert holders() == [lab.mac("relay")]
