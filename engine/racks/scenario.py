"""Scenario files: what goes wrong in a rack, and when. YAML to records, every mistake with its line; docs/rehearsal.md explains the
keys.

    scenario: 1
    faults: {all: {drop_dhcp: 20}, m2: {bmc: lies}}
    dhcp_server: {file: pxelinux.0}
    then:
      - {when: {machine: m3, reaches: install}, do: {power: off}}
      - {after: 20s, do: {fault: {machine: m2, bmc: dead}}}

A rack of QEMU machines has the same vocabulary, without what only a simulation can do. That is refused, with its line.

Pure. `director` carries it out.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from engine.files.element import Element
from engine.files.mistakes import Mistakes, nearest
from engine.files.yaml_source import parse as parse_yaml

from .bmc.redfish_moods import ODDITIES
from .qemu.spec import CHANNEL, NICS, fits
from .qemu.spec import Faults as QemuFaults
from .repair import doubled
from .simulated.rogue import Rogue
from .simulated.spec import UPDATES, Faults

ENVIRONMENTS = ("firmware", "pxe", "loader", "kernel", "sledgehammer", "installer", "disk")
STAGES = ("discovery", "hardware", "install", "system")
MOODS = ("obedient", "lies", "slow", "locked", "dead", *ODDITIES)
POWER = ("off", "on", "cycle")


class When(Struct, frozen=True, kw_only=True):
    machine: str
    """Name, or `all`: for each machine."""
    reaches: str
    """An environment, a stage (when its first role starts) or a role."""
    percent: int = 0
    """For a role: when its progress is so far."""


class Power(Struct, frozen=True, kw_only=True, tag="power"):
    machine: str
    """Here and below: name, `all`, or empty for the machine that reached something."""
    how: str


class SetFault(Struct, frozen=True, kw_only=True, tag="fault"):
    machine: str
    faults: dict[str, Any]


class Swap(Struct, frozen=True, kw_only=True, tag="swap"):
    """Another main board. Takes effect while the power is off."""

    machine: str
    keep_nics: bool


class DropSsh(Struct, frozen=True, kw_only=True, tag="ssh"):
    machine: str


class SetRogue(Struct, frozen=True, kw_only=True, tag="dhcp_server"):
    rogue: Rogue | None


Action = Power | SetFault | Swap | DropSsh | SetRogue


class Happening(Struct, frozen=True, kw_only=True):
    when: When | None
    after: float
    """Seconds of real time after that, or after the rack was first powered on."""
    do: tuple[Action, ...]


class Scenario(Struct, frozen=True, kw_only=True):
    patience: float | None = None
    """Replaces the plan's."""
    faults: dict[str, Faults] = {}
    rogue: Rogue | None = None
    then: tuple[Happening, ...] = ()


def read(text: str, filename: str, nodes: int, kind: str = "simulated") -> Scenario:
    """Reads a scenario for a rack of so many machines, `simulated` or `qemu`. Raises PlanError with every mistake."""
    mistakes = Mistakes()
    tree = parse_yaml(text, filename, mistakes)
    if tree is None:
        mistakes.end()
    assert tree is not None
    found = _Reader(nodes, kind == "qemu").scenario(Element(tree, filename, mistakes))
    mistakes.end()
    return found


class _Reader:
    def __init__(self, nodes: int, real: bool) -> None:
        self._nodes = nodes
        self._real = real
        """QEMU machines."""

    def scenario(self, top: Element) -> Scenario:
        keys = top.fields(("scenario", "patience", "faults", "dhcp_server", "then"), ("scenario",))
        if "scenario" in keys:
            keys["scenario"].integer(1, 1)
        given = keys["faults"].entries() if "faults" in keys else {}
        faults = {
            self._name(name, element): msgspec.convert(self._faults(element.fields(FAULTS)), Faults) for name, element in given.items()
        }
        if twice := doubled({name: one.cables for name, one in faults.items()}, self._nodes):
            port, one, other = twice
            given[other if other in given else "all"].fail(f"{one} and {other} would both be in {port}: a port takes one cable")
        return Scenario(
            patience=keys["patience"].number(0.01, 100.0) if "patience" in keys else None,
            faults=faults,
            rogue=self._rogue(keys["dhcp_server"]) if "dhcp_server" in keys else None,
            then=tuple(self._happening(element) for element in keys.each("then")),
        )

    def _name(self, name: str, element: Element) -> str:
        if name != "all" and not (name[:1] == "m" and name[1:].isdecimal() and 1 <= int(name[1:]) <= self._nodes):
            element.fail(f"expected all, or a machine from m1 to m{self._nodes}, not {name[:40]!r}")
        return name

    def _machine(self, keys: dict[str, Element], otherwise: str) -> str:
        return self._name(keys["machine"].text("a machine"), keys["machine"]) if "machine" in keys else otherwise

    def _faults(self, keys: dict[str, Element]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, element in keys.items():
            kind = _KINDS.get(name)
            if self._real and name not in QEMU_FAULTS:
                element.fail(f"is for simulated machines; faults of QEMU machines are {', '.join(QEMU_FAULTS)}")
            elif kind is float:
                percent = name.startswith(("drop_", "double_", "late_", "repeat_"))
                out[name] = element.number(0.0, 100.0 if percent else 86400.0)
            elif kind is bool:
                out[name] = element.truth()
            elif kind is int:
                out[name] = element.integer(*_WHOLE[name])
            elif kind is str:
                out[name] = self._word(name, element)
            elif name == "disks_mb":
                out[name] = tuple(one.integer(1, 1 << 24) for one in element.items())
            elif name == "light":
                out[name] = {link: power.number(-99.0, 99.0) for link, power in element.entries().items()}
            elif name == "lossy":
                out[name] = {link: percent.number(0.0, 100.0) for link, percent in element.entries().items()}
                self._known(element, NICS, "the links of QEMU machines are 1g0 and 1g1")
            elif name == "ecc":
                out[name] = {label: count.integer(0, 1_000_000) for label, count in element.entries().items()}
                self._known(element, CHANNEL, "a QEMU machine has memory channels, 0 to 14")
            else:
                out[name] = {link: self._cable(cable, link) for link, cable in element.entries().items()}
        return out

    def _known(self, element: Element, pattern: re.Pattern[str], what: str) -> None:
        if self._real:
            for name, one in element.entries().items():
                if not pattern.fullmatch(name):
                    one.fail(f"{what}, not {name[:40]!r}")

    def _cable(self, element: Element, link: str) -> str:
        text = element.text("switch:port", blank=True)
        if self._real and not fits(link, text):
            element.fail("expected nothing, or a port of tor1 or tor2 as tor1:swp9; the cable of bmc may only be missing")
        return text

    def _word(self, name: str, element: Element) -> str:
        text = element.text("a word", blank=True)
        if name == "bmc":
            kind, _, seconds = text.partition(":")
            if kind and (kind not in MOODS or (seconds and not (kind == "slow" and seconds.replace(".", "", 1).isdecimal()))):
                element.fail("expected one of " + ", ".join(MOODS) + " or slow:SECONDS", nearest(kind, MOODS))
        elif name == "bmc_address":
            try:
                IPv4Address(text or "0.0.0.0")
            except AddressValueError:
                element.fail("expected an IPv4 address")
        elif name == "updates":
            if text and text not in UPDATES:
                element.fail("expected one of " + ", ".join(UPDATES), nearest(text, UPDATES))
        elif text:
            self._name(text, element)
        return text

    def _rogue(self, element: Element) -> Rogue | None:
        if self._real:
            element.fail("is for simulated machines: a rack of QEMU machines has no second DHCP server")
        keys = element.fields(("address", "first", "file"))
        for name in ("address", "first"):
            if name in keys:
                try:
                    IPv4Address(keys[name].text("an IPv4 address"))
                except AddressValueError:
                    keys[name].fail("expected an IPv4 address")
        return Rogue(**{name: one.text(blank=True) for name, one in keys.items()})

    def _happening(self, element: Element) -> Happening:
        keys = element.fields(("when", "after", "do"), ("do",))
        if "when" not in keys and "after" not in keys:
            element.fail("expected the key 'when' or 'after', or both")
        when = self._when(keys["when"]) if "when" in keys else None
        actions: list[Action] = []
        if "do" in keys:
            several = keys["do"].tree.__class__.__name__ == "Listing"
            for one in keys["do"].items() if several else [keys["do"]]:
                actions += self._action(one, when is not None)
        return Happening(when=when, after=keys["after"].duration() if "after" in keys else 0.0, do=tuple(actions))

    def _when(self, element: Element) -> When:
        keys = element.fields(("machine", "reaches", "percent"), ("machine", "reaches"))
        reaches = keys["reaches"].name("a stage, an environment or a role") if "reaches" in keys else ""
        return When(machine=self._machine(keys, ""), reaches=reaches, percent=keys["percent"].integer(0, 100) if "percent" in keys else 0)

    def _action(self, element: Element, has_machine: bool) -> list[Action]:
        keys = element.fields(("power", "fault", "swap", "ssh", "dhcp_server", "machine"))
        verbs = [name for name in keys if name != "machine"]
        if len(verbs) != 1:
            element.fail("expected exactly one of power, fault, swap, ssh, dhcp_server")
            return []
        one = keys[verbs[0]]
        if self._real and verbs[0] in ("swap", "ssh"):
            one.fail("is for simulated machines; QEMU machines take power and fault")
        if verbs[0] == "dhcp_server":
            off = getattr(one.tree, "text", "") == "off"
            return [SetRogue(rogue=None if off else self._rogue(one))]
        if verbs[0] == "fault":
            inner = one.fields((*FAULTS, "machine"))
            who = self._machine(inner, self._machine(keys, ""))
            inner.pop("machine", None)
            found: Action = SetFault(machine=who, faults=self._faults(inner))
        else:
            who = self._machine(keys, "")
            match verbs[0]:
                case "power":
                    found = Power(machine=who, how=one.choice(POWER))
                case "swap":
                    found = Swap(machine=who, keep_nics=one.choice(("board", "board-without-nics")) == "board-without-nics")
                case _:
                    one.choice(("drop",))
                    found = DropSsh(machine=who)
        if not who and not has_machine:
            element.fail("expected the key 'machine', which is missing")
        return [found]


_KINDS: dict[str, Any] = {name: kind for name, kind in get_type_hints(Faults).items() if name in Faults.__struct_fields__}
_WHOLE = {
    "dimms_out": (0, 32),
    "slow_disk": (-1, 23),
    "boot_nic": (0, 7),
    "bmc_channel": (1, 11),
    "clock_s": (-2_000_000_000, 2_000_000_000),
    "silent_devices": (0, 1000),
    "no_vlan": (0, 4094),
    "frame_most": (0, 65535),
}
"""Faults that are whole numbers, and their bounds."""
FAULTS = tuple(_KINDS)
QEMU_FAULTS = tuple(name for name in FAULTS if name in QemuFaults.__struct_fields__)
