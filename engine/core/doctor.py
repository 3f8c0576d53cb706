"""Is this admin node fit to serve a rack? One check per thing that must be right, each ok, warn or bad, with what to do.

Looks only, changes nothing: the one thing it sends is a DHCPDISCOVER, to hear who else would answer a machine that boots. What it looks at
comes from `Probes`, so that every check is tested with every answer; `doctor_probes` asks the real machine.

Bad is what will keep racks from booting. What could not be looked at is a warning that says why, never ok.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from ..definitions import Json

Grade = Literal["ok", "warn", "bad"]

PORTS: tuple[tuple[Literal["udp", "tcp"], int, str], ...] = (
    ("udp", 67, "DHCP"), ("udp", 69, "TFTP"), ("tcp", 80, "HTTP"), ("tcp", 443, "HTTPS"),
)  # fmt: skip
OLDEST_YEAR, NEWEST_YEAR = 2025, 2099
"""A clock outside of these was never set: a CMOS battery is empty."""
LITTLE, ENOUGH = 1 << 30, 10 << 30
"""Octets free for the store: below the first it is bad, below the second worth a word (images and logs of a rack take some GiB)."""
TOOLS: tuple[tuple[str, str, str], ...] = (
    ("chronyd", "role ntp-server runs it", "apt install chrony"),
    ("ip", "the interface's addresses are read with it", "apt install iproute2"),
)
"""Program, what for, how to get it."""


class Check(Struct, frozen=True, kw_only=True):
    name: str
    grade: Grade
    text: str
    advice: str = ""


class Interface(Struct, frozen=True, kw_only=True):
    up: bool
    carrier: bool
    addresses: tuple[str, ...] | None
    """IPv4 addresses; None: they could not be read."""


class Clock(Struct, frozen=True, kw_only=True):
    year: int
    synchronized: bool | None
    """None: nobody could say."""
    source: str
    """Who said so, or why nobody could."""


class Privilege(Struct, frozen=True, kw_only=True):
    low_ports: bool
    raw: bool


class Probes(Protocol):
    """What the checks ask the machine."""

    def privilege(self) -> Privilege: ...
    def engine_runs(self) -> bool:
        """On this store."""

    def port(self, protocol: Literal["udp", "tcp"], address: str, port: int) -> str:
        """Why the port cannot be had: `in use`, `privilege`, `no such address`, other words; empty: it is free."""

    def interface(self, name: str) -> Interface | None: ...
    def interfaces(self) -> list[str]: ...
    def dhcp_servers(self, interface: str) -> list[str] | str:
        """Addresses of servers that offered an address; a sentence where it could not look."""

    def clock(self) -> Clock: ...
    def space(self) -> tuple[int, int] | str:
        """Octets free and in all where the store is, or why that is not known."""

    def images(self) -> list[dict[str, Json]]:
        """As `images.image_states`."""

    def tool(self, name: str) -> bool: ...
    def store(self) -> list[str]:
        """What is wrong with the store; empty: nothing, or there is none yet."""


def examine(probes: Probes, interface: str, address: str) -> list[Check]:
    """All checks, in the order in which one would mend what they find. `interface` and `address` as the plan says; empty: it does not."""
    return [
        *_privilege(probes),
        *_ports(probes, address),
        _interface(probes, interface, address),
        _foreign(probes, interface, address),
        *_clock(probes),
        _space(probes),
        _store(probes),
        *_images(probes),
        *_tools(probes),
    ]


def _ok(name: str, text: str) -> Check:
    return Check(name=name, grade="ok", text=text)


def _privilege(probes: Probes) -> list[Check]:
    found = probes.privilege()
    out = []
    if found.low_ports and found.raw:
        return [_ok("privilege", "may serve on ports below 1024 and send raw frames")]
    if not found.low_ports:
        text = "may not serve on ports below 1024"
        out.append(Check(name="privilege", grade="bad", text=text, advice="run as root, or grant CAP_NET_BIND_SERVICE"))
    if not found.raw:
        text = "may not send raw frames: machines that have no address yet are answered by broadcast"
        out.append(Check(name="privilege", grade="warn", text=text, advice="run as root, or grant CAP_NET_RAW"))
    return out


def _ports(probes: Probes, address: str) -> list[Check]:
    ours = probes.engine_runs()
    out = []
    for protocol, port, service in PORTS:
        name = f"port {port}/{protocol}"
        # DHCP comes as broadcast, which only the wildcard address hears.
        why = probes.port(protocol, "" if port == 67 else address, port)
        if not why:
            out.append(_ok(name, f"free for {service}"))
        elif why == "in use" and ours:
            out.append(_ok(name, f"in use, and an engine runs on this store: {service} is its own"))
        elif why == "in use":
            advice = f"find the program with `ss -ln{protocol[0]}p 'sport = :{port}'` and stop it"
            out.append(Check(name=name, grade="bad", text=f"another program serves here, {service} cannot", advice=advice))
        elif why == "no such address":
            advice = "compare `ip address` with the plan's admin address"
            out.append(Check(name=name, grade="bad", text=f"this machine has no address {address}", advice=advice))
        elif why == "privilege":
            advice = "run as root, or grant CAP_NET_BIND_SERVICE"
            out.append(Check(name=name, grade="bad", text=f"{service} needs privilege here", advice=advice))
        else:
            out.append(Check(name=name, grade="bad", text=f"{service} cannot serve: {why}", advice="see what the system says"))
    return out


def _interface(probes: Probes, interface: str, address: str) -> Check:
    if not interface:
        advice = "give --interface, or a plan with site.admin.interface"
        return Check(name="interface", grade="warn", text="nothing says which interface serves the rack", advice=advice)
    found = probes.interface(interface)
    if found is None:
        known = ", ".join(probes.interfaces()) or "none"
        return Check(name="interface", grade="bad", text=f"there is no interface {interface}", advice=f"known are {known}")
    if not found.up:
        return Check(name="interface", grade="bad", text=f"{interface} is down", advice=f"ip link set {interface} up")
    if not found.carrier:
        text = f"{interface} is up and has no link"
        return Check(name="interface", grade="bad", text=text, advice="check its cable and the switch's port")
    if address and found.addresses is None:
        text = f"{interface} is up; its addresses could not be read"
        return Check(name="interface", grade="warn", text=text, advice="apt install iproute2")
    if address and address not in (found.addresses or ()):
        have = ", ".join(found.addresses or ()) or "none"
        text = f"{interface} is up and does not have the admin address {address} (it has {have})"
        advice = f"ip address add {address}/PREFIX dev {interface}, or correct the plan"
        return Check(name="interface", grade="bad", text=text, advice=advice)
    return _ok("interface", f"{interface} is up" + (f" with {address}" if address else ""))


def _foreign(probes: Probes, interface: str, address: str) -> Check:
    name = "foreign DHCP"
    if not interface:
        return Check(name=name, grade="warn", text="could not look: no interface is given", advice="give --interface")
    found = probes.dhcp_servers(interface)
    if isinstance(found, str):
        return Check(name=name, grade="warn", text=f"could not look: {found}", advice="run as root, or grant CAP_NET_RAW")
    others = [server for server in found if server != address]
    if others:
        advice = "stop it or take it off this network, or let it and the engine have networks of their own"
        return Check(name=name, grade="bad", text=f"another DHCP server answers on {interface}: {', '.join(others)}", advice=advice)
    return _ok(name, f"nobody else answered on {interface}")


def _clock(probes: Probes) -> list[Check]:
    clock = probes.clock()
    if not OLDEST_YEAR <= clock.year <= NEWEST_YEAR:
        advice = "set the clock (timedatectl set-time, chronyc makestep) and look at the CMOS battery"
        return [Check(name="clock", grade="bad", text=f"the clock says the year {clock.year}", advice=advice)]
    if clock.synchronized is None:
        text = f"whether the clock is synchronized is not known: {clock.source}"
        return [Check(name="clock", grade="warn", text=text, advice="install chrony: nodes get their time from here")]
    if not clock.synchronized:
        text = f"the clock is not synchronized (says {clock.source})"
        return [Check(name="clock", grade="warn", text=text, advice="give chrony a server it can reach, or set the time by hand")]
    return [_ok("clock", f"synchronized (says {clock.source})")]


def _space(probes: Probes) -> Check:
    found = probes.space()
    if isinstance(found, str):
        return Check(name="disk", grade="warn", text=f"could not look: {found}", advice="check --store")
    free, _ = found
    text = f"{free / (1 << 30):.1f} GiB free where the store is"
    if free < LITTLE:
        return Check(name="disk", grade="bad", text=text, advice="make room: the engine stops when a commit cannot be written")
    if free < ENOUGH:
        return Check(name="disk", grade="warn", text=text, advice="images and logs of a rack take some GiB")
    return _ok("disk", text)


def _store(probes: Probes) -> Check:
    wrong = probes.store()
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return Check(name="store", grade="bad", text=f"{wrong[0]}{more}", advice="put a copy of the store back, or begin a new one")
    return _ok("store", "whole, or not begun yet")


def _images(probes: Probes) -> list[Check]:
    out = []
    for image in probes.images():
        name = f"image {image['name']}"
        if image["whole"] and image.get("other"):
            out.append(Check(name=name, grade="warn", text=str(image["other"]), advice=f"crowbar image build {image['name']}"))
            continue
        if image["whole"]:
            out.append(_ok(name, f"whole, version {image['version']}"))
            continue
        # Nothing boots without the discovery image and the loaders; systems, installers and other architectures where a plan wants them.
        needed = image.get("kind") in ("discovery", "loader") and image.get("arch", "x86_64") == "x86_64"
        grade: Grade = "bad" if needed else "warn"
        out.append(Check(name=name, grade=grade, text=str(image["reason"]), advice=f"crowbar image build {image['name']}"))
    return out


def _tools(probes: Probes) -> list[Check]:
    out = []
    for tool, use, how in TOOLS:
        if probes.tool(tool):
            out.append(_ok(f"tool {tool}", "there"))
        else:
            out.append(Check(name=f"tool {tool}", grade="warn", text=f"not there: {use}", advice=how))
    return out
