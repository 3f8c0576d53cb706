"""Checks whether this admin node can serve a rack. One check per requirement, each ok, warn or bad, with advice.

The checks only read. They send a DHCPDISCOVER, to find other servers that would answer a booting machine, and ARP probes for the
engine's address. Their data comes from `Probes`, so that every check is tested with every answer; `doctor.probes` asks the real machine.

`bad` means that racks will not boot. A fact that could not be checked is a warning with its cause, never ok.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from ..definitions import Json

Grade = Literal["ok", "warn", "bad"]

PORTS: tuple[tuple[Literal["udp", "tcp"], int, str], ...] = (
    ("udp", 67, "DHCP"),
    ("udp", 69, "TFTP"),
    ("tcp", 80, "HTTP"),
    ("tcp", 443, "HTTPS"),
)
OLDEST_YEAR, NEWEST_YEAR = 2025, 2099
"""A clock outside these years was never set: the CMOS battery is empty."""
LITTLE, ENOUGH = 1 << 30, 10 << 30
"""Free bytes for the store: below the first the check is bad, below the second it warns (images and logs need some GiB)."""
TOOLS: tuple[tuple[str, str, str], ...] = (
    ("chronyd", "role ntp-server runs it", "apt install chrony"),
    ("named", "role dns-server runs it", "apt install bind9 bind9-utils bind9-dnsutils"),
    ("ip", "crowbar reads the interface's addresses with it", "apt install iproute2"),
)
"""Program, its use, how to install it."""


class Check(Struct, frozen=True, kw_only=True):
    name: str
    grade: Grade
    text: str
    advice: str = ""


class Interface(Struct, frozen=True, kw_only=True):
    up: bool
    carrier: bool
    addresses: tuple[str, ...] | None
    """IPv4 addresses. None: they could not be read."""


class Clock(Struct, frozen=True, kw_only=True):
    year: int
    synchronized: bool | None
    """None: unknown."""
    source: str
    """The program that reported it, or why none could."""


class Privilege(Struct, frozen=True, kw_only=True):
    low_ports: bool
    raw: bool


class Probes(Protocol):
    """What the checks ask the machine."""

    def privilege(self) -> Privilege: ...
    def engine_runs(self) -> bool:
        """An engine runs on this store."""

    def port(self, protocol: Literal["udp", "tcp"], address: str, port: int) -> str:
        """Why the port cannot be used: `in use`, `privilege`, `no such address`, other words. Empty: it is free."""

    def interface(self, name: str) -> Interface | None: ...
    def interfaces(self) -> list[str]: ...
    def dhcp_servers(self, interface: str) -> list[str] | str:
        """Addresses of servers that offered an address; or a sentence if the probe failed."""

    def address_holders(self, interface: str, address: str) -> list[str] | str:
        """MACs of other machines that claim the address; or a sentence if the probe failed."""

    def clock(self) -> Clock: ...
    def space(self) -> tuple[int, int] | str:
        """Free and total bytes of the store's file system, or why they are unknown."""

    def images(self) -> list[dict[str, Json]]:
        """Like `images.shelf.image_states`."""

    def tool(self, name: str) -> bool: ...
    def packages(self) -> list[tuple[str, str, str]]:
        """Packages that roles of the admin node need and that are missing: package, role, and the command that installs it."""

    def stages(self) -> tuple[list[str], list[str]]:
        """Mistakes of the site's barclamps and stages; and what its stages change."""

    def store(self) -> list[str]:
        """What is wrong with the store. Empty: nothing, or there is no store yet."""


def examine(probes: Probes, interface: str, address: str) -> list[Check]:
    """All checks, in the order in which one would fix their findings. `interface` and `address` come from the plan; empty: unknown."""
    return [
        *_privilege(probes),
        *_ports(probes, address),
        _interface(probes, interface, address),
        _foreign(probes, interface, address),
        *_conflict(probes, interface, address),
        *_clock(probes),
        _space(probes),
        _store(probes),
        _stages(probes),
        *_images(probes),
        *_tools(probes),
        *(
            Check(name=f"package {package}", grade="warn", text=f"missing: role {role} needs it on the admin node", advice=how)
            for package, role, how in probes.packages()
        ),
    ]


def _ok(name: str, text: str) -> Check:
    return Check(name=name, grade="ok", text=text)


def _privilege(probes: Probes) -> list[Check]:
    found = probes.privilege()
    out = []
    if found.low_ports and found.raw:
        return [_ok("privilege", "this process may use ports below 1024 and send raw frames")]
    if not found.low_ports:
        text = "this process may not use ports below 1024"
        out.append(Check(name="privilege", grade="bad", text=text, advice="run as root, or grant CAP_NET_BIND_SERVICE"))
    if not found.raw:
        text = "this process may not send raw frames, so it answers machines without an address by broadcast"
        out.append(Check(name="privilege", grade="warn", text=text, advice="run as root, or grant CAP_NET_RAW"))
    return out


def _ports(probes: Probes, address: str) -> list[Check]:
    ours = probes.engine_runs()
    out = []
    for protocol, port, service in PORTS:
        name = f"port {port}/{protocol}"
        # DHCP comes as broadcast, which only the wildcard address receives.
        why = probes.port(protocol, "" if port == 67 else address, port)
        if not why:
            out.append(_ok(name, f"free for {service}"))
        elif why == "in use" and ours:
            out.append(_ok(name, f"the engine of this store uses it for {service}"))
        elif why == "in use":
            advice = f"find the program with `ss -ln{protocol[0]}p 'sport = :{port}'` and stop it"
            out.append(Check(name=name, grade="bad", text=f"another program uses this port, so {service} cannot", advice=advice))
        elif why == "no such address":
            advice = "compare `ip address` with the plan's admin address"
            out.append(Check(name=name, grade="bad", text=f"this machine has no address {address}", advice=advice))
        elif why == "privilege":
            advice = "run as root, or grant CAP_NET_BIND_SERVICE"
            out.append(Check(name=name, grade="bad", text=f"{service} needs privilege here", advice=advice))
        else:
            out.append(Check(name=name, grade="bad", text=f"{service} cannot serve: {why}", advice="read the system's error text"))
    return out


def _interface(probes: Probes, interface: str, address: str) -> Check:
    if not interface:
        advice = "give --interface, or a plan with site.admin.interface"
        return Check(name="interface", grade="warn", text="no interface is given for the rack", advice=advice)
    found = probes.interface(interface)
    if found is None:
        known = ", ".join(probes.interfaces()) or "none"
        return Check(name="interface", grade="bad", text=f"this machine has no interface {interface}", advice=f"it has {known}")
    if not found.up:
        return Check(name="interface", grade="bad", text=f"{interface} is down", advice=f"ip link set {interface} up")
    if not found.carrier:
        text = f"{interface} is up and has no link"
        return Check(name="interface", grade="bad", text=text, advice="check its cable and the switch's port")
    if address and found.addresses is None:
        text = f"{interface} is up, and its addresses are unknown"
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
        return Check(name=name, grade="warn", text="not checked: no interface is given", advice="give --interface")
    found = probes.dhcp_servers(interface)
    if isinstance(found, str):
        return Check(name=name, grade="warn", text=f"not checked: {found}", advice="run as root, or grant CAP_NET_RAW")
    others = [server for server in found if server != address]
    if others:
        advice = "stop it, remove it from this network, or give the rack another network"
        return Check(name=name, grade="bad", text=f"another DHCP server answers on {interface}: {', '.join(others)}", advice=advice)
    return _ok(name, f"no other DHCP server answered on {interface}")


def _conflict(probes: Probes, interface: str, address: str) -> list[Check]:
    """If nodes resolve our address to another machine, they lose every boot file."""
    if not interface or not address:
        return []
    found = probes.address_holders(interface, address)
    name = "address conflict"
    if isinstance(found, str):
        return [Check(name=name, grade="warn", text=f"not checked: {found}", advice="run as root, or grant CAP_NET_RAW")]
    if found:
        text = f"another machine on {interface} also has {address}: {', '.join(found)}"
        advice = "find the machine by its MAC (the switch knows the port), and change its address"
        return [Check(name=name, grade="bad", text=text, advice=advice)]
    return [_ok(name, f"no other machine on {interface} has {address}")]


def _clock(probes: Probes) -> list[Check]:
    clock = probes.clock()
    if not OLDEST_YEAR <= clock.year <= NEWEST_YEAR:
        advice = "set the clock (timedatectl set-time or chronyc makestep), and check the CMOS battery"
        return [Check(name="clock", grade="bad", text=f"the clock shows the year {clock.year}", advice=advice)]
    if clock.synchronized is None:
        text = f"cannot tell whether the clock is synchronized: {clock.source}"
        return [Check(name="clock", grade="warn", text=text, advice="install chrony: nodes get their time from this machine")]
    if not clock.synchronized:
        text = f"the clock is not synchronized ({clock.source} reports this)"
        return [Check(name="clock", grade="warn", text=text, advice="configure a reachable server in chrony, or set the time by hand")]
    return [_ok("clock", f"synchronized ({clock.source} reports this)")]


def _space(probes: Probes) -> Check:
    found = probes.space()
    if isinstance(found, str):
        return Check(name="disk", grade="warn", text=f"not checked: {found}", advice="check --store")
    free, _ = found
    text = f"{free / (1 << 30):.1f} GiB free on the disk of the store"
    if free < LITTLE:
        return Check(name="disk", grade="bad", text=text, advice="free some space: the engine stops when it cannot write")
    if free < ENOUGH:
        return Check(name="disk", grade="warn", text=text, advice="free some space: images and logs need some GiB")
    return _ok("disk", text)


def _store(probes: Probes) -> Check:
    wrong = probes.store()
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return Check(name="store", grade="bad", text=f"{wrong[0]}{more}", advice="restore a copy of the store, or start a new one")
    return _ok("store", "no damage found")


def _stages(probes: Probes) -> Check:
    mistakes, changed = probes.stages()
    if mistakes:
        more = f"; and {len(mistakes) - 1} more" if len(mistakes) > 1 else ""
        advice = "correct the file: no engine starts before that (docs/barclamps.md)"
        return Check(name="stages", grade="bad", text=f"{mistakes[0]}{more}", advice=advice)
    return _ok("stages", f"this site {'; '.join(changed)}" if changed else "as shipped")


def _images(probes: Probes) -> list[Check]:
    out = []
    for image in probes.images():
        name = f"image {image['name']}"
        if image["whole"] and image.get("other"):
            out.append(Check(name=name, grade="warn", text=str(image["other"]), advice=f"crowbar image build {image['name']}"))
            continue
        if image["whole"]:
            out.append(_ok(name, f"complete, version {image['version']}"))
            continue
        # Nothing boots without the discovery image and the loaders. Systems, installers and other architectures matter only if a plan wants
        # them.
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
            out.append(Check(name=f"tool {tool}", grade="warn", text=f"missing: {use}", advice=how))
    return out
