"""Beside another DHCP server (dnsmasq): it leases, the engine only says what to load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from boot_rig import OVMF, Site, hello, nic, ovmf, pc, why_not
from net_lab import plan_text, program, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.client]

PLAN = plan_text("ignore").replace("ranges: {dhcp: 192.168.124.21-192.168.124.80}, strangers: ignore", "dhcp: proxy")


def beside(site: Site) -> None:
    """The other server, on an address of its own: it hands out 192.168.124.100 and further and knows of no boot files."""
    dnsmasq = program("dnsmasq")
    if not dnsmasq:
        pytest.skip("not installed: dnsmasq-base")
    # A machine of its own on the bridge, since a DHCP port has one owner.
    site.lab.run("server", "ip", "link", "add", "o0", "type", "veth", "peer", "name", "o1")
    site.lab.keep_namespace("other", "o1")
    for words in (("link", "set", "lo", "up"), ("address", "add", "192.168.124.2/24", "dev", "o1"), ("link", "set", "o1", "up")):
        site.lab.run("other", "ip", *words)
    site.lab.run("server", "ip", "link", "set", "o0", "master", "br0", "up")
    leases = site.folder / "dnsmasq.leases"
    line = (
        dnsmasq,
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--interface=o1",
        "--bind-interfaces",
        "--no-ping",
        "--dhcp-range=192.168.124.100,192.168.124.150,1h",
        f"--dhcp-leasefile={leases}",
        "--log-facility=-",
        "--user=root",
    )
    with (site.folder / "dnsmasq.log").open("w") as said:
        site.lab.popen("other", *line, stdout=said, stderr=said)
    wait_for(lambda: "DHCP, IP range" in (site.folder / "dnsmasq.log").read_text(), "dnsmasq")


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_it_boots_with_the_other_server_s_address(begin: Callable[..., Site], tmp_path: Path, firmware: str) -> None:
    if firmware == "efi" and (missing := why_not(str(OVMF / "OVMF_CODE_4M.fd"))):
        pytest.skip(missing)
    site = begin(plan=PLAN, before=beside)
    words = nic() if firmware == "bios" else (*nic(romfile=""), *ovmf(tmp_path))
    hello(site, *pc(), *words)
    node = wait_for(site.nodes, "a node")[0]
    assert node["address"].startswith("192.168.124.1")
    assert 100 <= int(node["address"].rpartition(".")[2]) <= 150
    assert (node["firmware"], node["loader"]["way"]) == (firmware, "proxy")
    # What is leased is the other server's.
    assert {lease["state"] for lease in site.ask("leases")} <= {"foreign"}
