"""Every check of the doctor with every answer that a machine can give, and once on this machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Literal

import pytest
from scapy.layers.l2 import ARP, Ether

from crowbar_tui.commands.doctor import tell
from engine.doctor.checks import Check, Clock, Interface, Privilege, examine
from engine.doctor.probes import RealProbes, _on_the_wire
from engine.packets import probe_process
from engine.store.store import Store
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, decode, encode, reply_to
from engine.wire.frame import udp_frame

GIB = 1 << 30


class Fit:
    """A machine on which all is right; each test spoils one thing."""

    def __init__(self, **spoilt: Any) -> None:
        self.answers: dict[str, Any] = {
            "privilege": Privilege(low_ports=True, raw=True),
            "engine_runs": False,
            "ports": {},
            "interface": Interface(up=True, carrier=True, addresses=("10.0.0.1",)),
            "dhcp": [],
            "holders": [],
            "clock": Clock(year=2026, synchronized=True, source="chronyc"),
            "space": (50 * GIB, 100 * GIB),
            "images": [{"name": "sledgehammer", "kind": "discovery", "version": "1", "whole": True, "reason": ""}],
            "tools": {"chronyd", "named", "ip"},
            "packages": [],
            "store": [],
            "stages": ([], []),
        } | spoilt

    def privilege(self) -> Privilege:
        return self.answers["privilege"]

    def engine_runs(self) -> bool:
        return self.answers["engine_runs"]

    def port(self, protocol: Literal["udp", "tcp"], address: str, port: int) -> str:
        assert address == ("" if port == 67 else "10.0.0.1")
        return self.answers["ports"].get(port, "")

    def interface(self, name: str) -> Interface | None:
        return self.answers["interface"]

    def interfaces(self) -> list[str]:
        return ["eno1", "lo"]

    def dhcp_servers(self, interface: str) -> list[str] | str:
        return self.answers["dhcp"]

    def address_holders(self, interface: str, address: str) -> list[str] | str:
        assert (interface, address) == ("eno1", "10.0.0.1")
        return self.answers["holders"]

    def clock(self) -> Clock:
        return self.answers["clock"]

    def space(self) -> tuple[int, int] | str:
        return self.answers["space"]

    def images(self) -> list[dict[str, Any]]:
        return self.answers["images"]

    def tool(self, name: str) -> bool:
        return name in self.answers["tools"]

    def packages(self) -> list[tuple[str, str, str]]:
        return self.answers["packages"]

    def stages(self) -> tuple[list[str], list[str]]:
        return self.answers["stages"]

    def store(self) -> list[str]:
        return self.answers["store"]


def test_what_a_site_changed_in_its_stages_is_told_and_no_fault() -> None:
    told = {c.name: (c.grade, c.text) for c in examine(Fit(stages=([], ["leaves out hardware", "changes install"])), "eno1", "10.0.0.1")}
    assert told["stages"] == ("ok", "this site leaves out hardware; changes install")


def test_a_fit_machine() -> None:
    checks = examine(Fit(), "eno1", "10.0.0.1")
    assert [c for c in checks if c.grade != "ok"] == []
    assert all(not c.advice for c in checks)


SPOILT: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no low ports": ({"privilege": Privilege(low_ports=False, raw=True)}, "privilege", "bad", "this process may not use ports below 1024"),
    "no raw frames": ({"privilege": Privilege(low_ports=True, raw=False)}, "privilege", "warn", "this process may not send raw frames"),
    "port in use": ({"ports": {69: "in use"}}, "port 69/udp", "bad", "another program uses this port, so TFTP cannot"),
    "wrong address": ({"ports": {80: "no such address"}}, "port 80/tcp", "bad", "this machine has no address 10.0.0.1"),
    "privileged port": ({"ports": {67: "privilege"}}, "port 67/udp", "bad", "DHCP needs privilege here"),
    "odd port": ({"ports": {67: "Protocol not supported"}}, "port 67/udp", "bad", "DHCP cannot serve: Protocol not supported"),
    "no interface": ({"interface": None}, "interface", "bad", "this machine has no interface eno1"),
    "down": ({"interface": Interface(up=False, carrier=False, addresses=())}, "interface", "bad", "eno1 is down"),
    "no cable": ({"interface": Interface(up=True, carrier=False, addresses=())}, "interface", "bad", "eno1 is up and has no link"),
    "other address": (
        {"interface": Interface(up=True, carrier=True, addresses=("10.9.9.9",))},
        "interface",
        "bad",
        "eno1 is up and does not have the admin address 10.0.0.1 (it has 10.9.9.9)",
    ),
    "unread address": (
        {"interface": Interface(up=True, carrier=True, addresses=None)},
        "interface",
        "warn",
        "eno1 is up, and its addresses are unknown",
    ),
    "another server": ({"dhcp": ["10.0.0.1", "10.0.0.3"]}, "foreign DHCP", "bad", "another DHCP server answers on eno1: 10.0.0.3"),
    "not checked": ({"dhcp": "it needs privilege"}, "foreign DHCP", "warn", "not checked: it needs privilege"),
    "old clock": ({"clock": Clock(year=1970, synchronized=True, source="x")}, "clock", "bad", "the clock shows the year 1970"),
    "far clock": ({"clock": Clock(year=2106, synchronized=True, source="x")}, "clock", "bad", "the clock shows the year 2106"),
    "address conflict": (
        {"holders": ["52:54:00:00:00:09"]},
        "address conflict",
        "bad",
        "another machine on eno1 also has 10.0.0.1: 52:54:00:00:00:09",
    ),
    "no ARP": ({"holders": "it needs privilege"}, "address conflict", "warn", "not checked: it needs privilege"),
    "free clock": (
        {"clock": Clock(year=2026, synchronized=False, source="chronyc")},
        "clock",
        "warn",
        "the clock is not synchronized (chronyc reports this)",
    ),
    "unknown clock": (
        {"clock": Clock(year=2026, synchronized=None, source="nobody")},
        "clock",
        "warn",
        "cannot tell whether the clock is synchronized",
    ),
    "full disk": ({"space": (GIB // 2, 10 * GIB)}, "disk", "bad", "0.5 GiB free on the disk of the store"),
    "little disk": ({"space": (5 * GIB, 10 * GIB)}, "disk", "warn", "5.0 GiB free on the disk of the store"),
    "unknown disk": ({"space": "/x: gone"}, "disk", "warn", "not checked: /x: gone"),
    "broken stages": ({"stages": (["stages.yml:3: x", "y"], [])}, "stages", "bad", "stages.yml:3: x; and 1 more"),
    "broken store": ({"store": ["seq 4 is followed by 6", "y"]}, "store", "bad", "seq 4 is followed by 6 (and 1 more)"),
    "an image of another version": (
        {
            "images": [
                {"name": "sledgehammer", "kind": "discovery", "version": "1", "whole": True, "reason": "", "other": "built by another"}
            ]
        },
        "image sledgehammer",
        "warn",
        "built by another",
    ),
    "no discovery image": (
        {"images": [{"name": "sledgehammer", "kind": "discovery", "version": "1", "whole": False, "reason": "it is not there"}]},
        "image sledgehammer",
        "bad",
        "it is not there",
    ),
    "no system": (
        {"images": [{"name": "debian-12", "kind": "system", "version": "1", "whole": False, "reason": "damaged"}]},
        "image debian-12",
        "warn",
        "damaged",
    ),
    "no package": (
        {"packages": [("bind9", "dns-server", "apt install bind9")]},
        "package bind9",
        "warn",
        "missing: role dns-server needs it on the admin node",
    ),
    "no chrony": ({"tools": {"ip", "named"}}, "tool chronyd", "warn", "missing: role ntp-server runs it"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_spoilt_is_found_and_told_what_to_do(case: str) -> None:
    spoilt, name, grade, text = SPOILT[case]
    wrong = [c for c in examine(Fit(**spoilt), "eno1", "10.0.0.1") if c.grade != "ok"]
    assert [(c.name, c.grade) for c in wrong] == [(name, grade)]
    assert wrong[0].text.startswith(text)
    assert wrong[0].advice


def test_ports_of_our_own_engine_are_right() -> None:
    checks = examine(Fit(engine_runs=True, ports={67: "in use", 69: "in use", 80: "in use", 443: "in use"}), "eno1", "10.0.0.1")
    assert [c.grade for c in checks if c.name.startswith("port")] == ["ok"] * 4


def test_without_an_interface_it_says_that_it_could_not_look() -> None:
    class Anywhere(Fit):
        def port(self, protocol: Literal["udp", "tcp"], address: str, port: int) -> str:
            assert address == ""
            return ""

    wrong = [c for c in examine(Anywhere(), "", "") if c.grade != "ok"]
    assert [(c.name, c.grade) for c in wrong] == [("interface", "warn"), ("foreign DHCP", "warn")]


@pytest.mark.parametrize(("grade", "code"), [("ok", 0), ("warn", 0), ("bad", 1)])
def test_the_exit_code(grade: Any, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check(name="a", grade="ok", text="x"), Check(name="b", grade=grade, text="y" * 150, advice="do z")]
    assert tell(checks, False) == code
    out = capsys.readouterr().out
    assert ("try: do z" in out) == (grade != "ok")
    assert tell(checks, True) == code
    assert f'"fit": {"false" if code else "true"}' in capsys.readouterr().out


# -- the real machine ----------------------------------------------------------------------------------------------


def test_ports_of_this_machine(tmp_path: Path) -> None:
    probes = RealProbes(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert probes.port("udp", "127.0.0.1", port) == "in use"
    assert probes.port("udp", "127.0.0.1", port) == ""
    assert probes.port("tcp", "192.0.2.77", 8080) == "no such address"


def test_this_machine(tmp_path: Path) -> None:
    """Every probe gives an answer of its kind here, whatever it is."""
    probes = RealProbes(tmp_path, listen_s=0.2)
    loopback = probes.interface("lo")
    assert loopback is not None
    assert loopback.addresses is None or loopback.up is False or "127.0.0.1" in loopback.addresses
    assert probes.interface("nope0") is None
    assert "lo" in probes.interfaces()
    servers = probes.dhcp_servers("lo")
    assert servers == [] or isinstance(servers, str)
    assert isinstance(probes.dhcp_servers("nope0"), str)
    assert 2025 <= probes.clock().year < 2100
    space = probes.space()
    assert isinstance(space, tuple)
    assert 0 < space[0] <= space[1]
    assert probes.tool("sh")
    assert not probes.tool("no-such-program-here")
    assert not probes.engine_runs()
    checks = examine(probes, "lo", "127.0.0.1")
    assert {c.name for c in checks} >= {"interface", "foreign DHCP", "clock", "disk", "store"}
    assert next(c for c in checks if c.name == "disk").grade in ("ok", "warn", "bad")


def test_the_store_of_this_machine(tmp_path: Path) -> None:
    probes = RealProbes(tmp_path / "store")
    assert probes.store() == []
    with Store.open(tmp_path / "store"):
        assert probes.engine_runs()
    assert not probes.engine_runs()
    assert probes.store() == []
    (tmp_path / "store" / "store.db").write_bytes(b"this is no store" * 100)
    assert len(probes.store()) == 1


def offer(xid: int, kind: DhcpKind = DhcpKind.OFFER, ports: tuple[int, int] = (67, 68)) -> bytes:
    request = DhcpRequest(kind=DhcpKind.DISCOVER, xid=xid, mac="52:54:00:00:00:01", broadcast=True)
    payload = encode(DhcpReply(to=reply_to(request), kind=kind, yiaddr="10.0.0.50", server_id="10.0.0.3"))
    return udp_frame(
        to_mac=b"\xff" * 6, from_mac=b"\x02" * 6, source=("10.0.0.4", ports[0]), destination=("255.255.255.255", ports[1]), payload=payload
    )


def test_only_an_offer_to_us_counts() -> None:
    def _offer(frame: bytes, xid: int) -> str:
        return probe_process.offer(frame, xid)

    assert _offer(offer(77), 77) == "10.0.0.3"
    assert _offer(offer(78), 77) == ""
    assert _offer(offer(77, DhcpKind.ACK), 77) == ""
    assert _offer(offer(77, ports=(67, 67)), 77) == ""
    for cut in range(0, 60, 7):
        assert _offer(offer(77)[:cut], 77) == ""
    assert _offer(b"\xff" * 300, 77) == ""


def test_our_own_server_reads_the_discover_of_the_probe() -> None:
    seen = decode(probe_process.discover("52:54:00:00:00:01", 77)[42:])
    assert (seen.kind, seen.xid, seen.mac, seen.broadcast) == (DhcpKind.DISCOVER, 77, "52:54:00:00:00:01", True)
    assert seen.vendor_class.startswith("PXEClient")


def test_only_another_machine_that_names_the_address_holds_it() -> None:
    ours, theirs = "52:54:00:00:00:01", "52:54:00:00:00:02"
    probe = Ether(probe_process.arp_probe(ours, "10.0.0.1"))
    assert (probe.dst, probe[ARP].op, probe[ARP].psrc, probe[ARP].pdst) == ("ff:ff:ff:ff:ff:ff", 1, "0.0.0.0", "10.0.0.1")

    def said(op: int, mac: str, source: str) -> str:
        return probe_process.holder(bytes(Ether(src=mac) / ARP(op=op, hwsrc=mac, psrc=source, pdst="0.0.0.0")), ours, "10.0.0.1")

    assert said(2, theirs, "10.0.0.1") == theirs
    assert said(1, theirs, "10.0.0.1") == theirs, "it announces the address"
    assert said(2, theirs, "10.0.0.2") == ""
    assert said(2, ours, "10.0.0.1") == ""
    assert probe_process.holder(bytes(probe), ours, "10.0.0.1") == ""
    assert probe_process.holder(b"\xff" * 60, ours, "10.0.0.1") == ""


def test_a_probe_that_cannot_look_says_why() -> None:
    said = _on_the_wire("arp", "nope0", 0.1, "10.0.0.1")
    assert isinstance(said, str)
    assert "nope0" in said or "privilege" in said
