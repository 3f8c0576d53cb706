"""Redfish: network ports, adapters, a BMC's own lines, and the neighbours that ports heard (DSP2046; OEM parts of Dell, HPE, Lenovo).

A port is told by up to four resources: `EthernetInterface`, `NetworkDeviceFunction`, and `NetworkPort` or the newer `Port`. Each of them is
read as a port by itself; `redfish_tree` joins those with one MAC or one place.

Traps
* `Port` is also a port of a SAS controller or of a switch. Only those with an Ethernet or InfiniBand side are network ports.
* Lenovo's `PortMaxSpeedbps` is 1,073,741,824 for every port, and `MaxSpeedGbps` 1. A fastest speed below the present one is not told.
* The system's side of the line to its own BMC (`ToManager`) is an EthernetInterface too, and no port of the machine.
* An address of 0.0.0.0 or `::` is none. HPE says 255.255.255.255 as the mask of none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from ..parts import BmcLine, Card, Firmware, Heard, NetPort, Optic, Parts, Product
from .redfish_json import (
    Body,
    Json,
    as_number,
    first,
    flag,
    health_of,
    inner,
    is_absent,
    label,
    mac_of,
    name_of,
    note_of,
    oem,
    parent_of,
    path_of,
    rows,
    text,
    whole,
    words,
)
from .report import told

PortKind = Literal["", "ethernet", "infiniband", "other"]
_NO_ADDRESS = ("0.0.0.0", "::", "255.255.255.255", "")
_UP, _DOWN = ("linkup", "up"), ("linkdown", "down", "nolink")
_MOST_MBIT = 2_000_000
_DELL_SILENT = ("no link", "not available", "notavailable", "")


def ethernet(body: Body) -> Parts:
    """An EthernetInterface: of a BMC a line, of a system a port. Its path says which; a resource without one is a BMC's by its name."""
    path = path_of(body)
    of_bmc = "/managers/" in path.lower() or (not path and re.search(r"(?i)manager|bmc|ilo|idrac", text(body, "Name")) is not None)
    if of_bmc:
        return Parts(bmcs=_line(body))
    to_bmc = "HostInterface" in inner(body, "Links") or name_of(body).lower() == "tomanager"
    if to_bmc or text(body, "EthernetInterfaceType") == "Virtual" or is_absent(body):
        return Parts()
    mac = _mac(body)
    link = _link(body.get("LinkStatus"))
    port = NetPort(
        place=name_of(body),
        mac=mac,
        kind="ethernet",
        speed=_speed(body, link),
        link=link,
        health=health_of(body),
        note=note_of(body),
    )
    return Parts(ports=(port,)) if mac or port.place else Parts()


def _mac(body: Body) -> str:
    return first(mac_of(body.get(name)) for name in ("PermanentMACAddress", "MACAddress", "FactoryMacAddress"))


def _link(said: Json) -> bool | None:
    clean = said.lower().replace(" ", "") if isinstance(said, str) else ""
    return True if clean in _UP else False if clean in _DOWN else None


def _speed(body: Body, link: bool | None) -> int:
    return 0 if link is False else whole(body, "SpeedMbps", "CurrentLinkSpeedMbps", most=_MOST_MBIT)


def _line(body: Body) -> tuple[BmcLine, ...]:
    mac = _mac(body)
    fours = [one for one in rows(body, "IPv4Addresses") if text(one, "Address") not in _NO_ADDRESS]
    four = fours[0] if fours else {}
    sixes = (text(one, "Address").lower() for one in rows(body, "IPv6Addresses"))
    mask, gateway = text(four, "SubnetMask"), text(four, "Gateway")
    tagged = inner(body, "VLAN")
    found = BmcLine(
        place=name_of(body),
        mac=mac,
        address=text(four, "Address"),
        mask=mask if mask not in _NO_ADDRESS else "",
        gateway=gateway if gateway not in _NO_ADDRESS else "",
        source=text(four, "AddressOrigin").lower(),
        vlan=whole(tagged, "VLANId", most=4094) if flag(tagged, "VLANEnable") else 0,
        address6=tuple(dict.fromkeys(one for one in sixes if one not in _NO_ADDRESS)),
        health=health_of(body),
        note=note_of(body),
    )
    return (found,) if found.place.lower() != "lo" and (mac or found.address or found.address6 or found.place) else ()


def dell_attributes(body: Body) -> Parts:
    """iDRAC's own attributes: its firmware and CPLD, its address, and the service tag of the server."""
    found = inner(body, "Attributes")
    tag = text(found, "ServerInfo.1.ServiceTag")
    four = {
        "Address": found.get("CurrentIPv4.1.Address"),
        "SubnetMask": found.get("CurrentIPv4.1.Netmask"),
        "Gateway": found.get("CurrentIPv4.1.Gateway"),
        "AddressOrigin": {"Enabled": "DHCP", "Disabled": "Static"}.get(text(found, "CurrentIPv4.1.DHCPEnable"), ""),
    }
    line = {
        "MACAddress": found.get("CurrentNIC.1.MACAddress"),
        "IPv4Addresses": [four],
        "IPv6Addresses": [{"Address": found.get(f"CurrentIPv6.1.Address{number}")} for number in range(1, 16)],
        "VLAN": {"VLANEnable": text(found, "CurrentNIC.1.VLanEnable") == "Enabled", "VLANId": found.get("CurrentNIC.1.VLanID")},
    }
    named = (("bmc", "Info.1.Version"), ("cpld", "Info.1.CPLDVersion"))
    return Parts(
        system=Product(vendor="Dell", serial=tag) if tag else None,
        firmware=tuple(Firmware(part=part, version=version) for part, name in named if (version := text(found, name))),
        bmcs=_line(line),
    )


# -- adapters --


def adapter(body: Body) -> Parts:
    """A NetworkAdapter, or HPE's BaseNetworkAdapter with its ports inside."""
    if is_absent(body):
        return Parts()
    place = first((label(body), text(body, "StructuredName"), name_of(body)))
    hpe = first(text(inner(one, "Current"), "VersionString") for one in rows(body, "Firmware"))
    versions = [text(one, "FirmwarePackageVersion") for one in rows(body, "Controllers")]
    model = first((text(body, "Model"), text(body, "Name") if not re.match(r"(?i)network ?adapter", text(body, "Name")) else ""))
    card = Card(
        place=place,
        kind="network adapter",
        vendor=text(body, "Manufacturer"),
        model=model,
        number=text(body, "PartNumber"),
        serial=text(body, "SerialNumber"),
        health=health_of(body),
        note=note_of(body),
    )
    version = first((*versions, hpe))
    firmware = (Firmware(part="nic", version=version, place=place, name=model),) if version else ()
    known = card.vendor or card.model or card.serial or card.number
    return Parts(cards=(card,) if known else (), firmware=firmware, ports=tuple(_inside(body, place, version)))


def _inside(body: Body, place: str, version: str) -> Iterable[NetPort]:
    for number, one in enumerate(rows(body, "PhysicalPorts"), 1):
        mac, link = mac_of(one.get("MacAddress") or one.get("MACAddress")), _link(one.get("LinkStatus"))
        if mac:
            yield NetPort(
                place=f"{place} port {number}",
                mac=mac,
                kind="ethernet",
                link=link,
                speed=_speed(one, link),
                firmware=version,
                health=health_of(one),
                note=note_of(one),
            )


def functions_of(body: Body) -> int:
    """Virtual functions of each port that an adapter allows; 0: not told."""
    for one in rows(body, "Controllers"):
        ability = inner(one, "ControllerCapabilities", "VirtualizationOffload", "VirtualFunction")
        if found := whole(ability, "NetworkPortMaxCount", most=4096):
            return found
    return 0


# -- ports --


def place_of(body: Body) -> str:
    """Adapter and port by their names; Dell's port names begin with their adapter's."""
    own, parent = name_of(body), parent_of(path_of(body), "NetworkAdapters")
    whole_name = re.match(r"[A-Za-z]+\.[A-Za-z]+\.\d", own) or (own.startswith(parent) and not parent.isdigit())
    return own if not parent or whole_name else f"{parent}:{own}"


def network_port(body: Body) -> Parts:
    """The older NetworkPort."""
    if is_absent(body):
        return Parts()
    able = rows(body, "SupportedLinkCapabilities")
    link = _link(body.get("LinkStatus"))
    kind = _kind(first((text(body, "ActiveLinkTechnology"), first(text(one, "LinkNetworkTechnology") for one in able))))
    port = NetPort(
        place=place_of(body),
        mac=first(map(mac_of, words(body.get("AssociatedNetworkAddresses")))),
        kind=kind,
        link=link,
        speed=_speed(body, link),
        fastest=_fastest(able, _speed(body, link)),
        health=health_of(body),
        note=note_of(body),
        optic=_dell_optic(inner(oem(body, "Dell"), "DellNetworkTransceiver")),
    )
    return Parts(ports=(port,), heard=dell_heard(inner(oem(body, "Dell"), "DellSwitchConnection")))


def _fastest(able: list[Body], now: int) -> int:
    speeds = [whole(one, "LinkSpeedMbps", most=_MOST_MBIT) for one in able]
    for one in able:
        said = one.get("CapableLinkSpeedMbps")
        speeds += [int(v) for v in said[:64] if isinstance(v, int) and 0 < v <= _MOST_MBIT] if isinstance(said, list) else []
    best = max(speeds, default=0)
    return best if best >= now else 0


def _kind(said: str) -> PortKind:
    lower = said.lower()
    return "ethernet" if lower == "ethernet" else "infiniband" if lower == "infiniband" else "other" if lower else ""


def port(body: Body) -> Parts:
    """The newer Port; one without a network side (SAS, PCIe, NVLink) says nothing that the record has."""
    path = path_of(body).lower()
    side = inner(body, "Ethernet")
    said = first((text(body, "LinkNetworkTechnology"), text(body, "PortProtocol"), "Ethernet" if side else ""))
    if not said and "/networkadapters/" in path:
        said = "InfiniBand" if inner(body, "InfiniBand") else "unknown"
    if is_absent(body) or "/switches/" in path or ("/networkadapters/" not in path and _kind(said) not in ("ethernet", "infiniband")):
        return Parts()
    if "/networkadapters/" not in path and re.search("/(managers|storage|fabrics)/", path):
        mac = first(map(mac_of, words(side.get("AssociatedMACAddresses"))))
        return Parts(bmcs=(BmcLine(place=name_of(body), mac=mac),)) if mac and "/managers/" in path else Parts()
    link = _link(body.get("LinkStatus"))
    now, best = _gbps(body.get("CurrentSpeedGbps")), _gbps(body.get("MaxSpeedGbps"))
    capable = [_gbps(v) for one in rows(body, "LinkConfiguration") for v in _list(one.get("CapableLinkSpeedGbps"))]
    best = max([best, *capable])
    lenovo = mac_of(oem(body, "Lenovo").get("PhysicalPortMacAddress"))
    found = NetPort(
        place=place_of(body),
        mac=first((*map(mac_of, words(side.get("AssociatedMACAddresses"))), lenovo)),
        kind=_kind(said) if said != "unknown" else "",
        link=link,
        speed=0 if link is False else now,
        fastest=best if best >= now and (best > 1000 or not lenovo) else 0,
        health=health_of(body),
        note=note_of(body),
        optic=_sfp(inner(body, "SFP")),
    )
    return Parts(ports=(found,), heard=_lldp(found.place, inner(side, "LLDPReceive")))


def _list(found: Json) -> list[Json]:
    return found[:64] if isinstance(found, list) else []


def _gbps(found: Json) -> int:
    value = as_number(found)
    return round(value * 1000) if value is not None and 0 < value * 1000 <= _MOST_MBIT else 0


def _sfp(body: Body) -> Optic | None:
    if not body or is_absent(body):
        return None
    found = Optic(kind=text(body, "Type", "SupportedSFPTypes"), number=text(body, "PartNumber"), serial=text(body, "SerialNumber"))
    return found if found.kind or found.number or found.serial else None


def _dell_optic(body: Body) -> Optic | None:
    found = Optic(kind=text(body, "IdentifierType", "InterfaceType"), number=text(body, "PartNumber"), serial=text(body, "SerialNumber"))
    return found if found.number or found.serial else None


def device_function(body: Body) -> Parts:
    """A NetworkDeviceFunction: what a driver of the operating system sees as a port."""
    nic = inner(oem(body, "Dell"), "DellNIC")
    side = inner(body, "Ethernet")
    if is_absent(body):
        return Parts()
    kind: PortKind = _kind(text(body, "NetDevFuncType")) if text(body, "NetDevFuncType") in ("Ethernet", "InfiniBand") else ""
    mac = first((mac_of(side.get("PermanentMACAddress")), mac_of(side.get("MACAddress"))))
    version = text(nic, "FamilyVersion")
    place = place_of(body)
    found = NetPort(
        place=place,
        mac=mac,
        kind=kind or ("ethernet" if mac and not inner(body, "InfiniBand") else ""),
        vendor=text(nic, "VendorName"),
        model=re.sub(r" - ([0-9A-F]{2}:){5}[0-9A-F]{2}$", "", text(nic, "ProductName")),
        number=text(nic, "PartNumber"),
        serial=text(nic, "SerialNumber"),
        firmware=version,
        functions=whole(body, "MaxVirtualFunctions", most=4096) or None,
        health=health_of(body),
        note=note_of(body),
    )
    numbers = [told(nic.get(name)).lower() for name in ("PCIVendorID", "PCIDeviceID", "PCISubVendorID", "PCISubDeviceID")]
    good = [one if re.fullmatch("[0-9a-f]{4}", one) else "" for one in numbers]
    cards: tuple[Card, ...] = ()
    if good[0] and good[1]:
        pair = f"{good[2]}:{good[3]}" if good[2] and good[3] else ""
        card = Card(place=place, id=f"{good[0]}:{good[1]}", subsystem=pair, kind="network adapter", vendor=found.vendor, model=found.model)
        cards = (card,)
    known = mac or found.functions or found.firmware or inner(body, "InfiniBand")
    return Parts(ports=(found,) if known else (), cards=cards)


# -- neighbours --


def dell_heard(body: Body) -> tuple[Heard, ...]:
    """What iDRAC heard on a port: the switch's MAC and its port's name (DellSwitchConnection)."""
    chassis, port_name = text(body, "SwitchConnectionID"), text(body, "SwitchPortConnectionID")
    nic = text(body, "FQDD", "InstanceID", "Id")
    stale = text(body, "StaleData") == "Stale"
    if stale or not nic or chassis.lower() in _DELL_SILENT or port_name.lower() in _DELL_SILENT:
        return ()
    return (Heard(nic=nic, chassis=mac_of(chassis) or chassis, port=port_name),)


def switch_connection(body: Body) -> Parts:
    return Parts(heard=dell_heard(body))


def _lldp(nic: str, body: Body) -> tuple[Heard, ...]:
    chassis, port_id = text(body, "ChassisId"), text(body, "PortId")
    if not chassis or not port_id or text(body, "ChassisIdSubtype") == "NotTransmitted":
        return ()
    found = Heard(
        nic=nic,
        chassis=mac_of(chassis) or chassis,
        port=port_id,
        port_kind=text(body, "PortIdSubtype"),
        system=text(body, "SystemName"),
        system_description=text(body, "SystemDescription"),
        addresses=tuple(one for name in ("ManagementAddressIPv4", "ManagementAddressIPv6") if (one := text(body, name)) not in _NO_ADDRESS),
        vlan=whole(body, "ManagementVlanId", most=4094),
        capabilities=tuple(sorted(one.lower() for one in words(body.get("SystemCapabilities")))),
    )
    return (found,)
