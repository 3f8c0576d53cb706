"""YAML text to a `Plan`, and back: `read(write(plan), ...) == plan`.

Every mistake names its line and path, what was expected, and the nearest known word. All mistakes are reported together. docs/plan.md
explains the keys. `plan_networks`, `plan_machines` and `plan_deployments` read those parts; `plan_write` writes.

Rules
* A secret is a reference to an environment variable or a file. A value in its place is refused and never quoted, because mistakes are
  printed and logged.
* Rules may match only known facts, and a host name template may contain only the known fields.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from string import Formatter
from typing import Literal, cast

from ..core.hardware.outlets import OUTLET
from ..core.hardware.port_names import canonical_port
from ..core.plan.network_roles import network_roles
from ..core.plan.owned import SYSTEM
from ..definitions import Catalog, Json
from ..plan import BOX, FACTS, FORMAT, NAME_FIELDS, Admin, Approve, Expect, Network, PlaceDef, Plan, RackDef, Rule, Site
from .conditions import read_conditions
from .element import LABEL, Element, Fields
from .mistakes import Mistakes, PlanError, PlanMistake, nearest, shown
from .plan_conduits import CONDUIT
from .plan_deployments import MAP, SECRET_VALUE, read_attributes, read_deployments, read_role_settings
from .plan_machines import read_machines
from .plan_networks import read_networks
from .plan_versions import read_versions
from .plan_write import write
from .spelling import NAME
from .yaml_source import load, parse

__all__ = ["PlanError", "PlanMistake", "read", "read_file", "write"]

KEYS = (
    "crowbar",
    "site",
    "expect",
    "approve",
    "allocate",
    "networks",
    "racks",
    "machines",
    "rules",
    "deployments",
    "attributes",
    "limits",
    "secrets",
    "patience",
    "versions",
)
_BOX = "a map from facts to values, like serial: SN7"
_MATCH = "a map from facts to values; {} matches every node"
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?){0,9}")
_PORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}:[A-Za-z0-9][A-Za-z0-9._/:-]{0,62}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_RESOURCE = re.compile(r"[a-z][a-z0-9-]*(:[A-Za-z0-9._-]{1,63})?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def read_file(path: Path, catalog: Catalog) -> Plan:
    """Reads the plan in a file. Raises PlanError, also if the file cannot be read."""
    mistakes = Mistakes()
    tree = load(path, mistakes, path.name)
    mistakes.end()
    assert tree is not None
    return _plan(Element(tree, path.name, mistakes), catalog, mistakes)


def read(text: str, filename: str, catalog: Catalog) -> Plan:
    """Reads the plan in a text. Mistakes name the file `filename`. Raises PlanError."""
    mistakes = Mistakes()
    tree = parse(text, filename, mistakes)
    if tree is None:
        mistakes.end()
    assert tree is not None
    return _plan(Element(tree, filename, mistakes), catalog, mistakes)


def _plan(top: Element, catalog: Catalog, mistakes: Mistakes) -> Plan:
    keys = top.fields(KEYS, ("crowbar", "site", "networks"))
    if "crowbar" in keys:
        keys["crowbar"].integer(FORMAT, FORMAT)
    site = _site(keys["site"]) if "site" in keys else Site(name="")
    names = [SYSTEM, *keys["deployments"].entries(MAP)] if "deployments" in keys else [SYSTEM]
    networks = read_networks(keys["networks"], site.admin.address, names) if "networks" in keys else {}
    racks = _racks(keys, networks)
    full = network_roles(catalog, Plan(site=site, networks=networks))
    rules = _rules(keys, full, names, racks)
    if "networks" in keys and not mistakes.found and "admin" not in networks:
        keys["networks"].fail("expected a network named 'admin', on which the servers boot", nearest("admin", networks))
    secrets = _secrets(keys["secrets"]) if "secrets" in keys else {}
    plan = Plan(
        site=site,
        expect=_expect(keys["expect"]) if "expect" in keys else Expect(),
        approve=_approve(keys["approve"]) if "approve" in keys else Approve(),
        networks=networks,
        racks=racks,
        machines=read_machines(keys, secrets),
        rules=rules,
        deployments=read_deployments(keys["deployments"], full, rules, networks) if "deployments" in keys else {},
        attributes=read_attributes(keys, catalog),
        limits={"jobs": 64} | _limits(keys),
        secrets=secrets,
        allocate="ask" if "allocate" in keys and keys["allocate"].choice(("auto", "ask")) == "ask" else "auto",
        versions=read_versions(keys["versions"]) if "versions" in keys else None,
        patience=keys["patience"].number(0.01, 100.0) if "patience" in keys else 1.0,
    )
    mistakes.end()
    return plan


# -- the small parts ----------------------------------------------------------------------------------------------


def _site(element: Element) -> Site:
    keys = element.fields(("name", "domain", "admin", "trust"), ("name", "admin"))
    admin = Admin()
    if "admin" in keys:
        own = keys["admin"].fields(("interface", "address"), ("address",))
        address = own["address"].address() if "address" in own else None
        admin = Admin(
            interface=own["interface"].name("an interface's name", _INTERFACE, 15) if "interface" in own else "",
            address=str(address) if address else "",
        )
    return Site(
        name=keys["name"].name("a site's name", LABEL) if "name" in keys else "",
        domain=keys["domain"].name("a domain in lower case", _DOMAIN, 190) if "domain" in keys else "local",
        admin=admin,
        trust="network" if "trust" in keys and keys["trust"].choice(("confirmed", "network")) == "network" else "confirmed",
    )


def _expect(element: Element) -> Expect:
    keys = element.fields(("nodes", "within"))
    return Expect(
        nodes=keys["nodes"].integer(0, 100_000) if "nodes" in keys else 0,
        within=keys["within"].duration() if "within" in keys else 0.0,
    )


def _approve(element: Element) -> Approve:
    keys = element.fields(("wipe", "disks"))
    wipe = keys["wipe"].choice(("nothing", "blank", "foreign", "listed", "all")) if "wipe" in keys else "nothing"
    disks = keys.texts("disks", "the serial of a disk")
    if wipe == "listed" and not disks:
        element.fail("wipe: listed expects the disks' serials under the key 'disks'")
    elif disks and wipe != "listed":
        keys["disks"].fail("a list of disks goes with wipe: listed")
    return Approve(wipe=cast(Literal["nothing", "blank", "foreign", "listed", "all"], wipe), disks=disks)


def _limits(keys: Fields) -> dict[str, int]:
    out = {}
    for name, element in keys["limits"].entries().items() if "limits" in keys else ():
        if not _RESOURCE.fullmatch(name):
            element.fail("expected a resource like jobs or uplink:tor1")
        out[name] = element.integer(1, 100_000)
    return out


def _secrets(element: Element) -> dict[str, dict[str, str]]:
    out: dict[str, dict[str, str]] = {}
    for name, secret in element.entries().items():
        if not NAME.fullmatch(name):
            secret.fail(f"expected the name of a secret, not {shown(name)}")
        given = secret.json()
        if not isinstance(given, dict) or len(given) != 1 or not given.keys() <= {"env", "file"}:
            words = given if isinstance(given, dict) else ()
            near = next((found for word in words if (found := nearest(word, ("env", "file")))), "")
            secret.fail(SECRET_VALUE, near)
            continue
        (kind, reference), *_ = secret.fields(("env", "file")).items()
        text = reference.json()
        if not isinstance(text, str) or not text or len(text) > 4096 or any(ord(c) < 32 for c in text):
            reference.fail(f"expected {'the name of an environment variable' if kind == 'env' else 'a path'}")
        elif kind == "env" and not _VARIABLE.fullmatch(text):
            reference.fail("expected the name of an environment variable")
        elif kind == "file" and not text.startswith("/"):
            reference.fail("expected an absolute path: the engine reads it, and runs in another directory than yours")
        else:
            out[name] = {kind: text}
    return out


# -- racks --------------------------------------------------------------------------------------------------------


def _racks(keys: Fields, networks: dict[str, Network]) -> tuple[RackDef, ...]:
    racks: list[RackDef] = []
    pinned: set[str] = set()
    ports: dict[str, str] = {}
    for element in keys.each("racks"):
        own = element.fields(("name", "units", "places"), ("name",))
        name = own["name"].name("a rack's name", LABEL) if "name" in own else ""
        if name and any(name == rack.name for rack in racks):
            own["name"].fail(f"rack {shown(name)} already exists")
        units = own["units"].integer(1, 60) if "units" in own else 42
        places = _places(own["places"], units, ports, networks, pinned, racks) if "places" in own else ()
        racks.append(RackDef(name=name, units=units, places=places))
    return tuple(racks)


def _places(
    element: Element, units: int, ports: dict[str, str], networks: dict[str, Network], pinned: set[str], racks: Sequence[RackDef]
) -> tuple[PlaceDef, ...]:
    places: list[PlaceDef] = []
    taken: dict[int, int] = {}
    for text, place in element.entries().items():
        keys = place.fields(("height", "cables", "addresses", "outlets", "expects"))
        height = keys["height"].integer(1, 20) if "height" in keys else 1
        unit = int(text) if text.isdecimal() and len(text) < 4 else 0
        if not 1 <= unit <= units:
            place.fail(f"expected a unit from 1 to {units}, not {shown(text)}")
            continue
        if unit + height - 1 > units:
            place.fail(f"it would end at unit {unit + height - 1}, and the rack has {units} units")
        for one in range(unit, unit + height):
            if one in taken:
                place.fail(f"the place at {taken[one]} already occupies unit {one}")
                break
            taken[one] = unit
        cables = {}
        for link, cable in keys["cables"].entries().items() if "cables" in keys else ():
            if not CONDUIT.fullmatch(link) or "," in link or link[0] in "+-?":
                cable.fail("expected a node's link like 1g0, 10g1 or bmc")
            port = cable.name("switch:port", _PORT, 127)
            switch, _, number = port.partition(":")
            same = f"{switch.lower()}:{canonical_port(number)}"
            if port and same in ports:
                cable.fail(f"port {port} already has a cable, at {ports[same]}")
            elif port:
                ports[same] = cable.path
            cables[link] = port
        addresses = _pins(keys["addresses"], networks, pinned) if "addresses" in keys else {}
        expects = _box(keys["expects"], places, racks) if "expects" in keys else {}
        outlets = _outlets(keys, [*places, *(one for rack in racks for one in rack.places)])
        places.append(PlaceDef(unit=unit, height=height, cables=cables, addresses=addresses, outlets=outlets, expects=expects))
    return tuple(places)


def _outlets(keys: Fields, others: Sequence[PlaceDef]) -> tuple[str, ...]:
    """The outlets of a place. Each feeds one place: switching it for another machine would cut this one."""
    out: list[str] = []
    for one in keys.each("outlets", "a list of outlets like pdu1/7"):
        outlet = one.name("an outlet like pdu1/7", OUTLET, 127)
        if outlet and (outlet in out or any(outlet in other.outlets for other in others)):
            one.fail(f"outlet {outlet} already feeds a place")
        elif outlet:
            out.append(outlet)
    return tuple(out)


def _box(element: Element, here: Sequence[PlaceDef], racks: Sequence[RackDef]) -> dict[str, Json]:
    """What a place expects of the machine in it. A serial is expected in one place."""
    found = read_conditions(element, BOX, _BOX, {"firmware": ("bios", "efi")})
    serial = found.get("serial")
    if element.json() == {}:
        element.fail(f"expected {_BOX}, not an empty map")
    if isinstance(serial, str) and any(serial == one.expects.get("serial") for one in (*here, *(p for rack in racks for p in rack.places))):
        element.fail(f"another place already expects the serial {shown(serial)}")
    return found


def _pins(element: Element, networks: dict[str, Network], pinned: set[str]) -> dict[str, str]:
    """Network -> address of the node in a place. Each address is given once, and lies in the network's host range."""
    out: dict[str, str] = {}
    for name, one in element.entries().items():
        network, address = networks.get(name), one.address()
        if network is None:
            one.unknown("network", name, networks)
        elif address is not None and ("host" not in network.ranges or str(address) not in network.ranges["host"]):
            one.fail(f"{address} is not in the host range of network {name}")
        elif str(address) in pinned:
            one.fail(f"another place already has {address}")
        elif address is not None:
            pinned.add(str(address))
            out[name] = str(address)
    return out


# -- rules --------------------------------------------------------------------------------------------------------


def _rules(keys: Fields, catalog: Catalog, deployments: Collection[str], racks: tuple[RackDef, ...]) -> tuple[Rule, ...]:
    words = {"firmware": ("bios", "efi"), "rack": tuple(rack.name for rack in racks)}
    out = []
    for element in keys.each("rules"):
        own = element.fields(("match", "group", "name", "deployment", "attributes", "roles"), ("match",))
        out.append(
            Rule(
                match=read_conditions(own["match"], FACTS, _MATCH, words) if "match" in own else {},
                group=own["group"].name("a group's name", NAME) if "group" in own else "",
                name=_name_template(own["name"]) if "name" in own else "",
                deployment=own["deployment"].known("deployment", deployments) if "deployment" in own else "",
                attributes=read_attributes(own, catalog),
                roles=read_role_settings(own["roles"], catalog) if "roles" in own else {},
            )
        )
    return tuple(out)


def _name_template(element: Element) -> str:
    """A host name with fields in braces. Only the plain field name is allowed, because a format can reach into objects."""
    text = element.text("a host name, with fields like {place} or {serial}", 100)
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        element.fail(f"expected a host name whose braces are closed, not {shown(text)}")
        return text
    label = ""
    for literal, name, form, conversion in parts:
        label += literal
        if name is None:
            continue
        label += "0"
        if name not in NAME_FIELDS:
            element.unknown("field", name, NAME_FIELDS)
        elif form or conversion:
            element.fail(f"expected {{{name}}} and nothing else in the braces")
    if text and not LABEL.fullmatch(label):
        element.fail(f"expected a host name of a-z, 0-9 and -, at most 63 long, not {shown(text)}")
    return text
