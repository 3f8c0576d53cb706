"""Adds known machines to a plan: expected machines, rules that pin them, and their places. Pure.

Rules
* A machine with a serial is matched by its serial, another one by its place. Its rule stands before the plan's other rules.
* A rule with the same match and no settings is replaced, so the same list twice makes the same plan. What the list leaves out stays.
* A place in the list is a place of the rack. Which machine stands there, the engine still learns from the cables, or from the outlets.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ...definitions import Json
from ...plan import ExpectedMachine, FactoryBmc, PlaceDef, Plan, RackDef, Rule


class KnownMachine(Struct, frozen=True, kw_only=True):
    """One row of a list of machines. It has a serial or a place."""

    serial: str = ""
    bmc_mac: str = ""
    bmc_address: str = ""
    rack: str = ""
    place: int = 0
    """The unit in the rack. 0: not given."""
    name: str = ""
    group: str = ""
    outlets: tuple[str, ...] = ()
    """`PDU/OUTLET` of its power supplies. Empty: not given."""

    @property
    def match(self) -> dict[str, Json]:
        """What its pinning rule matches."""
        return {"serial": self.serial} if self.serial else {"rack": self.rack, "place": self.place}


def with_machines(plan: Plan, known: Sequence[KnownMachine]) -> Plan:
    """The plan with these machines. The machines agree with each other and with the plan (`files.machine_list`)."""
    return replace(
        plan,
        machines=_machines(plan.machines, known),
        rules=_rules(plan.rules, known),
        racks=tuple(_rack(rack, known) for rack in plan.racks),
    )


class Added(Struct, frozen=True, kw_only=True):
    """How many things of the plan are new or changed."""

    machines: int
    rules: int
    places: int


def added(before: Plan, after: Plan) -> Added:
    """What `with_machines` made of a plan."""
    had = {(rack.name, place.unit) for rack in before.racks for place in rack.places}
    machines, rules = set(before.machines), [*before.rules]
    return Added(
        machines=sum(one not in machines for one in after.machines),
        rules=sum(rule not in rules for rule in after.rules),
        places=sum((rack.name, place.unit) not in had for rack in after.racks for place in rack.places),
    )


def _machines(old: tuple[ExpectedMachine, ...], known: Sequence[KnownMachine]) -> tuple[ExpectedMachine, ...]:
    found = {one.serial: one for one in old}
    for one in known:
        if one.serial:
            bmc = found[one.serial].bmc if one.serial in found else FactoryBmc()
            bmc = replace(bmc, mac=one.bmc_mac or bmc.mac, address=one.bmc_address or bmc.address)
            outlets = one.outlets or (found[one.serial].outlets if one.serial in found else ())
            found[one.serial] = ExpectedMachine(serial=one.serial, bmc=bmc, outlets=outlets)
    return tuple(found.values())


def _rules(old: tuple[Rule, ...], known: Sequence[KnownMachine]) -> tuple[Rule, ...]:
    pins = {_key(one.match): Rule(match=one.match, group=one.group, name=one.name) for one in known if one.group or one.name}
    kept = []
    for rule in old:
        pin = pins.get(_key(rule.match))
        if pin is None or rule.attributes or rule.roles:
            kept.append(rule)
        else:
            pins[_key(rule.match)] = replace(pin, group=pin.group or rule.group, name=pin.name or rule.name, deployment=rule.deployment)
    return (*pins.values(), *kept)


def _key(match: dict[str, Json]) -> str:
    return repr(sorted(match.items(), key=lambda item: item[0]))


def _rack(rack: RackDef, known: Sequence[KnownMachine]) -> RackDef:
    here = [one for one in known if one.place and one.rack == rack.name]
    fed = {one.place: one.outlets for one in here if one.outlets}
    old = tuple(replace(place, outlets=fed.get(place.unit, place.outlets)) for place in rack.places)
    new = sorted({one.place for one in here} - {place.unit for place in rack.places})
    return replace(rack, places=(*old, *(PlaceDef(unit=unit, outlets=fed.get(unit, ())) for unit in new))) if here else rack
