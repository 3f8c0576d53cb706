"""Logical units (LUNs) of a SAN, and what exposes them: records, names and the decisions about them. Pure; Python 3.9 without packages.

A LUN belongs to a node, by the node's name, and keeps its serial number for as long as its data. A node has one target, which only the
node's initiator may see, after it has shown the node's CHAP secret (RFC 7143 sections 4.2.7 and 12.1; RFC 1994).
"""

import re
import uuid
from dataclasses import dataclass, field

AUTHORITY = "iqn.2026-01"
LEAST, MOST = 1 << 20, 1 << 50
"""Bytes of a LUN."""
MAX_LUNS, MAX_OF_NODE = 4096, 64
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
NODE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SECRET = re.compile(r"[A-Za-z0-9_-]{12,64}")
"""RFC 7143 section 9.2.1: a CHAP secret has 96 bits at least. The signs are those that no tool of a target gives a meaning."""


class SanError(Exception):
    """What went wrong, in one sentence for people, without a secret."""


@dataclass(frozen=True)
class Wish:
    """A LUN that a node wants."""

    node: str
    name: str
    size: int
    domain: str = ""

    @property
    def id(self):
        return f"{self.node}/{self.name}"


@dataclass(frozen=True)
class Lun:
    """A LUN that was made. `made` is false until its data has a place."""

    node: str
    name: str
    size: int
    serial: str
    number: int
    made: bool = False

    @property
    def id(self):
        return f"{self.node}/{self.name}"


@dataclass(frozen=True)
class Unit:
    """What a LUN is to a target: the file or block device that holds it, and the serial number that it shows (SPC, VPD page 80h)."""

    path: str
    serial: str
    size: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Export:
    """A target that exposes LUNs to one initiator. `units`: number -> unit."""

    target: str
    initiator: str
    user: str
    units: dict
    secret: str = field(default="", repr=False, compare=False)
    """Compared by itself (`other_secret`): no target tells it."""


@dataclass(frozen=True)
class Step:
    """One change of a target."""

    verb: str
    """`expose`, `unexpose`, `add` or `take` (one unit of a target that stays)."""
    target: str
    export: Export = None
    number: int = 0

    def words(self):
        who = f"LUN {self.number} of {self.target}" if self.verb in ("add", "take") else self.target
        return f"{self.verb} {who}"


def authority(domain):
    """`iqn.2026-01.net.example` for the domain `example.net`."""
    return ".".join([AUTHORITY, *reversed([part for part in domain.split(".") if part] or ["crowbar"])])


def initiator(node, domain):
    """The name by which a node logs in."""
    return f"{authority(domain)}:{node}"


def target(san, node, domain):
    return f"{authority(domain)}:{san}.{node}"


def wishes(collected, san, first):
    """The LUNs that nodes want of this SAN. `collected`: entries {node, value}. `first`: it is the SAN of LUNs that name none. Raises
    SanError for what no LUN can be."""
    out, seen = [], set()
    for entry in collected:
        node, _, domain = str(entry.get("node") or "").partition(".")
        if not NODE.fullmatch(node):
            raise SanError(f"{node[:63]!r} is no name of a node")
        mine = 0
        for one in entry.get("value") or ():
            if (one.get("san") or "") not in (san, *([""] if first else [])):
                continue
            name, size = one.get("name"), one.get("size")
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise SanError(f"{node} wishes a LUN {str(name)[:40]!r}: a name has at most 32 letters, digits and hyphens")
            if type(size) is not int or not LEAST <= size <= MOST:
                raise SanError(f"{node} wishes {node}/{name} of {size!r} bytes: expected {LEAST} to {MOST}")
            wish = Wish(node, name, size, domain)
            if wish.id in seen:
                raise SanError(f"{node} wishes {wish.id} twice")
            seen.add(wish.id)
            out.append(wish)
            mine += 1
        if mine > MAX_OF_NODE:
            raise SanError(f"{node} wishes {mine} LUNs: at most {MAX_OF_NODE}")
    if len(out) > MAX_LUNS:
        raise SanError(f"{len(out)} LUNs are wished: at most {MAX_LUNS}")
    return sorted(out, key=lambda one: one.id)


def admitted(luns, wanted):
    """The LUNs with those that are new, by id. Raises SanError where a wish differs from a LUN that holds data."""
    out = dict(luns)
    for wish in wanted:
        known = out.get(wish.id)
        if known is None:
            taken = {one.number for one in out.values() if one.node == wish.node}
            number = next(n for n in range(1, MAX_LUNS + 2) if n not in taken)
            out[wish.id] = Lun(wish.node, wish.name, wish.size, uuid.uuid4().hex, number)
        elif known.size != wish.size:
            raise SanError(
                f"{wish.id} has {known.size} bytes, and {wish.size} are wished: a LUN keeps its size. "
                "Wish one with another name, or remove this one first (san-remove)"
            )
    return out


def exports(san, luns, wanted, secrets, path_of):
    """Target -> what must be exposed. Raises SanError if a node's secret is missing or unfit."""
    of = {}
    for wish in wanted:
        of.setdefault((wish.node, wish.domain), []).append(luns[wish.id])
    out = {}
    for (node, domain), mine in of.items():
        secret = secrets.get(node)
        if not isinstance(secret, str) or not SECRET.fullmatch(secret):
            raise SanError(f"the engine gave no fit CHAP secret of {node}")
        units = {one.number: Unit(path_of(one), one.serial, one.size) for one in mine}
        name = target(san, node, domain)
        out[name] = Export(name, initiator(node, domain), f"{san}.{node}", units, secret)
    return out


def changes(have, want, other_secret):
    """Steps from what is exposed to what must be, both by target. What goes is first. `other_secret`: targets with another secret now."""
    out = [Step("unexpose", name) for name in sorted(have) if name not in want]
    for name, new in sorted(want.items()):
        old = have.get(name)
        if old is None:
            out.append(Step("expose", name, new))
        elif (old.initiator, old.user) != (new.initiator, new.user) or name in other_secret:
            out += [Step("unexpose", name), Step("expose", name, new)]
        else:
            gone = [number for number, unit in sorted(old.units.items()) if new.units.get(number) != unit]
            out += [Step("take", name, new, number) for number in gone]
            out += [Step("add", name, new, number) for number in sorted(new.units) if number in gone or number not in old.units]
    return out


def removable(luns, wanted, doomed, exposed):
    """The LUNs that the operator gave up, by `doomed`: entries {lun, serial}. Those that are gone already are left out. Raises SanError for
    one that is wished or exposed, or whose serial number is another: it is not the one that was approved."""
    wished, out = {one.id for one in wanted}, []
    for entry in doomed:
        name, serial = str(entry.get("lun") or ""), str(entry.get("serial") or "")
        lun = luns.get(name)
        if lun is None:
            continue
        if lun.serial != serial:
            raise SanError(f"{name} has the serial number {lun.serial}, not {serial[:40]!r}: nothing was removed")
        if name in wished:
            raise SanError(f"{name} is wished by its node: take it out of san-wanted first; nothing was removed")
        if lun.serial in exposed:
            raise SanError(f"{name} is still exposed: run san-luns first; nothing was removed")
        out.append(lun)
    return out
