"""Redfish: many resources of one service -> one record of one machine.

The resources are read one by one (`redfish`), and then joined by their links, places, serial numbers and MACs:

    system       the one with the wanted UUID or serial, or else the only one that can be switched on. Of others (accelerator boards, DPUs)
                 only the cards count
    drives       with their controller, and volumes with the places of their drives. A drive that two views have (SmartStorage and Storage
                 of iLO 5) is one by its serial number; the view of the standard comes first
    controllers  without those that are an NVMe drive's own, and without twins by serial number
    ports        what NetworkPort or Port, NetworkDeviceFunction and EthernetInterface say of one MAC or place is one port
    settings     of a BIOS with what waits for a reboot, and with their registry
    firmware     of one part and version once

Sensors of the newer resources are used where the older `Thermal` and `Power` are absent, because both describe the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct, structs

from ..parts import BiosSetting, BmcLine, Card, Controller, Drive, Firmware, NetPort, Parts, PowerSupply, RaidVolume
from . import redfish_network as network
from .redfish import bounded, joined, read_body, type_of
from .redfish_json import Body, Json, inner, last_of, links, object_of, parent_of, path_in, path_of, rows, text, uuid_of
from .report import MOST_ITEMS, Refused, told

MOST_RESOURCES = 8192
_MOST_TWINS = 64
_T = TypeVar("_T", bound=Struct)
_NOT_THE_SERVER = ("DPU", "Composed", "VirtualMachine", "PhysicallyPartitioned", "VirtuallyPartitioned", "OS")
_MAIN_CHASSIS = ("RackMount", "Blade", "Sled", "StandAlone", "Row", "Shelf", "Enclosure", "IPBasedDrive", "Other", "")


class Resource(Struct, frozen=True):
    path: str
    kind: str
    body: Body
    parts: Parts


def looks(said: str) -> bool:
    """Whether a text may be a map of paths and resources."""
    return re.match(r'\ufeff?\s*\{\s*"/redfish/v1', said) is not None


def read(said: str) -> Parts:
    """What a JSON object of paths and resources says of one machine. Raises Refused."""
    return read_tree(object_of(said))


def read_tree(tree: Mapping[str, Json], uuid: str = "", serial: str = "") -> Parts:
    """The record of one machine; `uuid` and `serial` choose among several systems.

    Raises Refused: no resource of it could be read. Single ones that cannot be read are named in `odd`.
    """
    found, odd = _resources(tree)
    if not found:
        raise Refused("none of its resources could be read" + (f": {odd[0]}" if odd else ""))
    main = _main(found, uuid, serial)
    mine = [one for one in found if _belongs(one, main)]
    whole = joined([*(one.parts for one in mine if one.kind == "ComputerSystem"), *_ordered(mine)])
    others = tuple(card for one in found if not _belongs(one, main) for card in one.parts.cards if card.kind == "GPU")
    summed = any(one.kind == "Processor" for one in mine)
    controllers, drives, volumes = _storage(mine)
    return bounded(
        structs.replace(
            whole,
            chassis=_chassis(mine, main),
            memory=_memory(whole),
            processors=tuple(one for one in whole.processors if not summed or one.place),
            controllers=controllers,
            drives=drives,
            volumes=volumes,
            ports=_ports(mine),
            cards=_cards((*_adapter_cards(mine), *others)),
            supplies=_supplies(whole.supplies),
            settings=_settings(mine),
            firmware=_firmware(mine),
            bmcs=_lines(whole.bmcs),
            heard=_unique(whole.heard, lambda one: (one.nic, one.chassis, one.port)),
            log=_unique(whole.log, lambda one: (one.id, one.at, one.text)),
            readings=_readings(mine),
            odd=tuple(dict.fromkeys((*whole.odd, *odd))),
        )
    )


def _resources(tree: Mapping[str, Json]) -> tuple[list[Resource], list[str]]:
    """Each resource once, by its path without regard to case, because HPE's links differ in it."""
    found: dict[str, Resource] = {}
    odd: list[str] = []
    for key, body in sorted(tree.items(), key=lambda item: str(item[0]))[:MOST_RESOURCES]:
        if not isinstance(body, dict):
            odd.append(f"{told(key, 100)}: it is no object")
            continue
        path = path_of(body) or path_in(key)
        if path.lower() in found:
            continue
        named = {"@odata.id": path, **body}
        try:
            found[path.lower()] = Resource(path, type_of(named), body, read_body(named))
        except Refused as refusal:
            odd.append(f"{told(key, 100)}: {refusal}"[:200])
    return list(found.values()), odd


# -- which system --


def _main(found: list[Resource], uuid: str, serial: str) -> str:
    """The name of the machine's system; empty: there is none."""
    systems = [one for one in found if one.kind == "ComputerSystem"]
    wanted = uuid_of(uuid)
    tests: tuple[Callable[[Resource], bool], ...] = (
        lambda one: bool(wanted) and uuid_of(one.body.get("UUID")) == wanted,
        lambda one: bool(serial) and text(one.body, "SerialNumber").lower() == serial.strip().lower(),
        lambda one: "#ComputerSystem.Reset" in inner(one.body, "Actions") and one.body.get("SystemType") not in _NOT_THE_SERVER,
        lambda one: bool(rows(one.body, "Boot")),
        lambda _: True,
    )
    for test in tests:
        if good := [one for one in systems if test(one)]:
            return last_of(good[0].path)
    return ""


def _belongs(one: Resource, main: str) -> bool:
    owner = parent_of(one.path, "Systems")
    return not owner or not main or owner.lower() == main.lower()


def _ordered(found: list[Resource]) -> Iterable[Parts]:
    """The root says least, so it comes last."""
    return (one.parts for one in sorted(found, key=lambda one: one.kind == "ServiceRoot"))


def _chassis(found: list[Resource], main: str) -> Json:
    every = [one for one in found if one.kind == "Chassis" and one.parts.chassis is not None]
    system = next((one for one in found if one.kind == "ComputerSystem" and last_of(one.path).lower() == main.lower()), None)
    named = [path.lower() for path in links(inner(system.body, "Links"), "Chassis")] if system else []
    serial = text(system.body, "SerialNumber") if system else ""

    def rank(one: Resource) -> tuple[bool, bool, int, str]:
        product = one.parts.chassis
        assert product is not None  # those without are not in the list
        kind = _MAIN_CHASSIS.index(product.kind) if product.kind in _MAIN_CHASSIS else len(_MAIN_CHASSIS)
        return one.path.lower() not in named, not serial or product.serial != serial, kind, one.path

    return min(every, key=rank).parts.chassis if every else None


def _memory(whole: Parts) -> int:
    """The sum of the DIMMs, where each tells its size: services round their own sum, and some leave out what the firmware keeps."""
    here = [one for one in whole.dimms if one.present]
    return sum(one.size for one in here) if here and all(one.size for one in here) else whole.memory


# -- storage --


def _storage(found: list[Resource]) -> tuple[tuple[Controller, ...], tuple[Drive, ...], tuple[RaidVolume, ...]]:
    controllers, homes = _controllers(found)
    owners = _owners(found, homes)
    drives: dict[str, Drive] = {}
    places: dict[str, str] = {}
    for one in sorted(found, key=lambda one: ("/smartstorage/" in one.path.lower(), one.path)):
        owner = owners.get(one.path.lower()) or _place_of_storage(one, owners)
        for drive in one.parts.drives:
            named = structs.replace(drive, controller=owner or drive.controller) if one.kind != "SimpleStorage" else drive
            key = f"serial {drive.serial}" if drive.serial else f"{one.path.lower()} {drive.place}"
            drives[key] = _filled(drives[key], named) if key in drives else named
            places[one.path.lower()] = drives[key].place
            places[last_of(one.path)] = drives[key].place
    real = [one for one in drives.values() if one.serial or one.wwn]
    if real:  # SimpleStorage describes the same drives with less
        simple = {id(drive) for one in found if one.kind == "SimpleStorage" for drive in one.parts.drives}
        drives = {key: one for key, one in drives.items() if id(one) not in simple}
    volumes = _volumes(found, places, owners)
    members = {member: one.place for one in volumes for member in one.members}
    whole = [structs.replace(one, volume=members.get(one.place, "")) for one in drives.values() if one.model or one.serial or one.size]
    own = {one.serial for one in whole if one.serial}
    real_controllers = tuple(one for one in controllers if not one.serial or one.serial not in own)
    known = {one.place for one in real_controllers}
    whole = [structs.replace(one, controller=one.controller if one.controller in known else "") for one in whole]
    return real_controllers, tuple(whole), tuple(volumes)


def _controllers(found: list[Resource]) -> tuple[list[Controller], dict[str, str]]:
    """The controllers, and path of their storage -> their place. HPE's own view comes first, because it has the slot's label."""
    made: dict[str, Controller] = {}
    keys: dict[str, str] = {}
    for one in sorted(found, key=lambda one: (one.kind == "StorageController", "/smartstorage/" not in one.path.lower(), one.path)):
        for controller in one.parts.controllers:
            key = f"serial {controller.serial}" if controller.serial else f"place {controller.place}"
            made[key] = _filled(made[key], controller) if key in made else controller
            keys.setdefault(one.path.lower().partition("/controllers/")[0], key)
    return list(made.values()), {path: made[key].place for path, key in keys.items()}


def _owners(found: list[Resource], places: Mapping[str, str]) -> dict[str, str]:
    """Path of a drive, a volume, or a storage -> the place of its controller."""
    out = dict(places)
    for one in found:
        if one.kind == "Storage" or one.kind.endswith("SmartStorageArrayController"):
            place = out.setdefault(one.path.lower(), last_of(one.path))
            out |= {path.lower(): place for name in ("Drives", "Volumes") for path in links(one.body, name)}
    return out


def _place_of_storage(one: Resource, owners: Mapping[str, str]) -> str:
    above = re.match(r"(.*/(?:storage|arraycontrollers)/[^/]+)/", one.path.lower())
    return owners.get(above[1], "") if above else ""


def _volumes(found: list[Resource], places: Mapping[str, str], owners: Mapping[str, str]) -> list[RaidVolume]:
    made: dict[str, RaidVolume] = {}
    for one in sorted(found, key=lambda one: ("/smartstorage/" in one.path.lower(), one.path)):
        paths = links(inner(one.body, "Links"), "Drives")
        for volume in one.parts.volumes:
            members = tuple(places.get(path.lower(), last_of(path)) for path in paths) or volume.members
            named = structs.replace(volume, members=members, controller=_place_of_storage(one, owners) or volume.controller)
            key = volume.wwn or f"{one.path.lower()} {volume.place}"
            made[key] = _filled(made[key], named) if key in made else named
    return list(made.values())


def _filled(first: _T, second: _T) -> _T:
    """The first, with what only the second tells."""
    empty = ("", 0, None, ())
    values = {
        name: getattr(second, name)
        for name in first.__struct_fields__
        if getattr(first, name) in empty and getattr(first, name) is not False
    }
    return structs.replace(first, **values)


# -- network --


def _ports(found: list[Resource]) -> tuple[NetPort, ...]:
    """Ports first, then what functions and interfaces add to them; each by its place or its MAC."""
    ranks = {"Port": 0, "NetworkPort": 1, "NetworkDeviceFunction": 2, "HpeBaseNetworkAdapter": 3, "HpBaseNetworkAdapter": 3}
    adapters = {one.path.lower(): one for one in found if one.kind == "NetworkAdapter"}
    made: list[NetPort] = []
    index: dict[str, int] = {}
    for one in sorted(found, key=lambda one: (ranks.get(one.kind, 4), one.path)):
        adapter = adapters.get(re.sub("/(networkports|ports|networkdevicefunctions)/.*", "", one.path.lower()))
        for port in one.parts.ports:
            named = _filled(port, _of_adapter(adapter)) if adapter else port
            keys = [key for key in (_port_path(one), f"place {port.place}" if port.place else "", port.mac) if key]
            at = next((index[key] for key in keys if key in index), None)
            if at is None:
                at = len(made)
                made.append(named)
            else:
                made[at] = _filled(made[at], named)
            for key in (*keys, made[at].mac):
                if key:
                    index.setdefault(key, at)
    return tuple(one for one in made if one.mac or one.speed or one.link is not None or one.firmware or one.model)


def _port_path(one: Resource) -> str:
    """A port's own path, or that of the port that a function is assigned to."""
    if one.kind in ("Port", "NetworkPort"):
        return one.path.lower()
    if one.kind != "NetworkDeviceFunction":
        return ""
    where = (one.body, inner(one.body, "Links"))
    names = ("PhysicalNetworkPortAssignment", "PhysicalPortAssignment")
    return next((path.lower() for body in where for name in names if (path := path_in(body.get(name)))), "")


def _of_adapter(adapter: Resource) -> NetPort:
    version = adapter.parts.firmware[0].version if adapter.parts.firmware else ""
    card = adapter.parts.cards[0] if adapter.parts.cards else Card()
    return NetPort(
        vendor=card.vendor, model=card.model, number=card.number, firmware=version, functions=network.functions_of(adapter.body) or None
    )


# -- the others --


def _cards(cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """Two with one serial number or one place are one card, unless their serial numbers or their kinds say otherwise."""
    made: list[Card] = []
    index: dict[str, int] = {}
    for card in cards:
        keys = [key for key in (f"serial {card.serial}" if card.serial else "", f"place {card.place}" if card.place else "") if key]
        at = next((index[key] for key in keys if key in index and _same_card(made[index[key]], card)), None)
        if at is None:
            at = len(made)
            made.append(card)
        else:
            made[at] = _filled(made[at], card)
        for key in keys:
            index.setdefault(key, at)
    return tuple(made)


def _adapter_cards(found: list[Resource]) -> Iterable[Card]:
    """Adapters and devices first; the card of a function has its PCI numbers, and is that of its adapter or device."""
    owners = {
        one.path.lower(): one.parts.cards[0].place for one in found if one.kind in ("NetworkAdapter", "PCIeDevice") and one.parts.cards
    }
    functions = ("NetworkDeviceFunction", "PCIeFunction")
    for one in sorted(found, key=lambda one: (one.kind in functions, one.kind != "NetworkAdapter", one.path)):
        place = owners.get(re.sub("/(networkdevicefunctions|pciefunctions)/.*", "", one.path.lower()), "")
        for card in one.parts.cards:
            yield structs.replace(card, place=place) if place and one.kind in functions else card


def _same_card(one: Card, other: Card) -> bool:
    if one.serial and other.serial and one.serial != other.serial:
        return False
    return "" in (one.kind, other.kind) or one.kind == other.kind


def _lines(found: tuple[BmcLine, ...]) -> tuple[BmcLine, ...]:
    """A line that only has the MAC of another one says nothing more."""
    full = {one.mac for one in found if one.place or one.address}
    return _unique((one for one in found if one.place or one.address or one.mac not in full), lambda one: (one.mac, one.address, one.place))


def _supplies(found: tuple[PowerSupply, ...]) -> tuple[PowerSupply, ...]:
    made: dict[str, PowerSupply] = {}
    for number, one in enumerate(found):
        key = one.serial or one.place or str(number)
        made[key] = _filled(made[key], one) if key in made else one
    return tuple(made.values())


def _settings(found: list[Resource]) -> tuple[BiosSetting, ...]:
    made: dict[str, BiosSetting] = {}
    for one in sorted(found, key=lambda one: (one.kind == "AttributeRegistry", len(one.path), one.path)):
        for setting in one.parts.settings:
            have = made.get(setting.name)
            if have is None:
                made[setting.name] = setting
            elif setting.pending is not None:
                made[setting.name] = structs.replace(have, pending=setting.pending if setting.pending != have.value else None)
            else:
                made[setting.name] = structs.replace(setting, value=have.value, pending=have.pending)
    return tuple(list(made.values())[:MOST_ITEMS])


def _firmware(resources: list[Resource]) -> tuple[Firmware, ...]:
    """Entries of one part at one place whose versions contain each other (`2.60` and `A42 v2.60`) are one: the one that tells more.

    What the inventory says of drives, supplies, adapters and controllers is dropped where these tell the same version themselves.
    """
    own = [entry for one in resources if one.kind != "SoftwareInventory" for entry in one.parts.firmware]
    told_by_parts = {(one.part, one.version) for one in own if one.part in ("drive", "psu", "nic", "controller")}
    listed = [entry for one in resources if one.kind == "SoftwareInventory" for entry in one.parts.firmware]
    found = own + [one for one in listed if (one.part, one.version) not in told_by_parts]
    groups: dict[tuple[str, str], list[tuple[str, Firmware]]] = {}
    for one in sorted(found, key=lambda one: (not one.name, one.updateable is None)):
        group = groups.setdefault((one.part, one.place), [])
        words = _version_words(one.version)
        twins = (have for said, have in group[:_MOST_TWINS] if words in said or said in words)
        if not any(have.name == one.name or not one.name or one.part in ("bios", "bmc") for have in twins):
            group.append((words, one))
    made = [one for group in groups.values() for _, one in group]
    return tuple(sorted(made, key=lambda one: (one.part, one.place, one.name)))


def _version_words(version: str) -> str:
    return f" {re.sub('[^0-9a-z.]+', ' ', version.lower())} ".replace(" v", " ")


def _readings(found: list[Resource]) -> tuple[Json, ...]:
    old = [one for one in found if one.kind in ("Thermal", "Power", "PowerMetrics") and one.parts.readings]
    sources = old or [one for one in found if one.parts.readings]
    return _unique((reading for one in sources for reading in one.parts.readings), lambda one: (one.name, one.unit))


def _unique(found: Iterable[Json], key: Callable[[Json], Json]) -> tuple[Json, ...]:
    return tuple({key(one): one for one in reversed(tuple(found))}.values())[::-1]
