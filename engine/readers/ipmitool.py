"""`ipmitool`: `fru`, `lan print`, `lan6 print` and `mc info`. Sensors and the event log are in `ipmi_sensors`. Source: ipmitool(1).

`lan print` prints the SNMP community. It is a secret and is not read.
"""

from __future__ import annotations

import re
from typing import Any

from engine.parts import BmcLine, Card, Dimm, Firmware, Parts, PowerSupply, Processor, Product
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

_FRU = re.compile(r"^[ \t]*FRU Device Description : (.*?) \(ID (\d{1,3})\)[ \t]*$", re.MULTILINE)
_SUPPLY = re.compile(r"\b(?:PS|PSU|PWR|Power ?Supply|Pwr Supply)[ _-]?\d*\b|^(?:PS|PSU)\d", re.IGNORECASE)
_DIMM = re.compile(r"DIMM|^P\d+[ /._-]?D\d+", re.IGNORECASE)
_CPU = re.compile(r"(?:CPU|PROC|P|Processor)[ _-]?\d{1,2}(?: FRU)?", re.IGNORECASE)
_ABSENT = re.compile(r"Device not present|Unknown FRU header|No data|FRU Read failed", re.IGNORECASE)


def looks_fru(text: str) -> bool:
    return bool(_FRU.search(text[:8000]))


def looks_lan(text: str) -> bool:
    head = text[:4000]
    return bool(re.search(r"^(?:Set in Progress|IP Address Source|IP Address)\s+: ", head, re.MULTILINE)) or bool(
        re.search(r"^(?:IPv6 (?:Static|Dynamic) Address \d+|IPv6/IPv4 Addressing Enables|IPv6 Header \w+ \w*)\s*:", head, re.MULTILINE)
    )


def looks_mc(text: str) -> bool:
    return bool(re.search(r"^(?:Device ID|Firmware Revision)\s+: ", text[:2000], re.MULTILINE)) and "IPMI Version" in text[:2000]


def read_fru(text: str) -> Parts:
    """The FRUs: system, board and chassis of the first with them; power supplies; others as cards. Raises Refused without one."""
    body = "\n".join(plain.whole_lines(text))
    heads = list(_FRU.finditer(body))
    if not heads:
        raise Refused(f"ipmitool printed no FRU; it said: {plain.first(body.splitlines())}")
    system = board = chassis = None
    supplies, dimms, processors, cards, odd = [], [], [], [], []
    for head, following in zip(heads[:MOST_ITEMS], [*heads[1:], None], strict=False):
        page = body[head.end() : following.start() if following else len(body)]
        one, place = plain.pairs(page.splitlines()), told(head[1])
        if _SUPPLY.search(place):
            supplies.append(_supply(one, place, page))
        elif _ABSENT.search(page) and not one.get("Product Name"):
            odd.append(f"FRU {place}: {plain.first(page.splitlines(), 60)}")
        elif head[2] == "0" or re.match(r"Builtin|System Board|Mainboard|MB\b|Baseboard", place, re.IGNORECASE):
            system, board, chassis = (
                system or _product(one, "Product"),
                board or _product(one, "Board"),
                chassis or _product(one, "Chassis"),
            )
        elif (found := _product(one, "Product") or _product(one, "Board")) is not None:
            same: dict[str, Any] = {
                "place": place,
                "vendor": found.vendor,
                "model": found.model,
                "number": found.number,
                "serial": found.serial,
            }
            if _DIMM.search(place):
                dimms.append(Dimm(**same))
            elif _CPU.fullmatch(place):
                processors.append(Processor(**same))
            else:
                cards.append(Card(**same))
    return Parts(
        system=system,
        board=board,
        chassis=chassis,
        supplies=tuple(supplies),
        dimms=tuple(dimms),
        processors=tuple(processors),
        cards=tuple(cards),
        odd=tuple(odd[:50]),
    )


def _product(one: dict[str, str], area: str) -> Product | None:
    found = Product(
        vendor=told(one.get(f"{area} Manufacturer", "") or one.get(f"{area} Mfg", "")),
        model=told(one.get(f"{area} Name", "") or one.get(f"{area} Product", "")),
        number=told(one.get(f"{area} Part Number", "")),
        serial=told(one.get(f"{area} Serial", "")),
        version=told(one.get(f"{area} Version", "")),
        asset=told(one.get(f"{area} Asset Tag", "")),
        kind=told(one.get("Chassis Type", "")) if area == "Chassis" else "",
    )
    return found if found != Product() else None


def _supply(one: dict[str, str], place: str, page: str) -> PowerSupply:
    if _ABSENT.search(page):
        return PowerSupply(place=place, present=False)
    found = _product(one, "Product") or _product(one, "Board") or Product()
    capacity = plain.leading(one.get("Max Power Capacity") or one.get("Capacity"), r"W(?:atts)?|")
    return PowerSupply(place=place, vendor=found.vendor, model=found.model, number=found.number, serial=found.serial, watts=capacity)


def read_lan(text: str) -> Parts:
    """One channel. Its number is not printed. Raises Refused for an invalid channel."""
    rows = plain.whole_lines(text)
    if any(re.match(r"IPv6 (?:Static|Dynamic) Address \d+", row.strip()) for row in rows):
        return _lan6(rows)
    one = plain.pairs(rows)
    if not any(key in one for key in ("IP Address", "IP Address Source", "MAC Address")):
        raise Refused(f"ipmitool printed no LAN settings; it said: {plain.first(rows)}")
    word = one.get("IP Address Source", "")
    sources = {"Static Address": "static", "DHCP Address": "dhcp"}
    return Parts(
        bmcs=(
            BmcLine(
                address=_address(one.get("IP Address", "")),
                mac=plain.mac(one.get("MAC Address")),
                mask=_address(one.get("Subnet Mask", "")),
                gateway=_address(one.get("Default Gateway IP", "")),
                source=sources.get(word, told(word)),
                vlan=plain.integer(one.get("802.1q VLAN ID"), 4094),
            ),
        )
    )


def _address(text: str) -> str:
    found = re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", text.strip())
    return found[0] if found and found[0] != "0.0.0.0" and all(int(part) < 256 for part in found[0].split(".")) else ""


def _lan6(rows: list[str]) -> Parts:
    """The addresses that are active, with their lengths."""
    found: list[str] = []
    address = ""
    for row in rows:
        key, _, value = row.strip().partition(":")
        if key == "Address":
            address = value.strip().lower()
        elif key == "Status" and value.strip() == "active" and re.fullmatch(r"[0-9a-f:]{3,39}/\d{1,3}", address) and address != "::/0":
            found.append(address)
    return Parts(bmcs=(BmcLine(address6=tuple(found[:64])),))


def read_mc(text: str) -> Parts:
    """The BMC's firmware. Raises Refused where it did not answer."""
    one = plain.pairs(plain.whole_lines(text))
    version = told(one.get("Firmware Revision", ""))
    if not version:
        raise Refused(f"ipmitool printed no firmware revision; it said: {plain.first(plain.lines(text))}")
    return Parts(firmware=(Firmware(part="bmc", version=version, name=told(one.get("Manufacturer Name", ""))),))
