"""`ethtool`: the settings of a port (no option), its driver (`-i`), and its module (`-m`). Source: ethtool(8), sfpid.c, qsfp.c, cmis.c.

`-i` and `-m` do not tell the port's name. The caller knows it, or has `-i` print behind the settings.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from engine.parts import NetPort, Optic, Parts
from engine.readers import plain
from engine.readers.report import Refused, told

_MODE = re.compile(r"\b(\d{1,6})base\S+/(?:Full|Half)")


def looks(text: str) -> bool:
    head = text[:4000]
    return bool(
        re.search(r"^Settings for \S+:", head, re.MULTILINE)
        or re.search(r"^Features for \S+:", head, re.MULTILINE)
        or re.search(r"^driver: .*\n(?:.*\n)*?bus-info:", head, re.MULTILINE)
        or re.search(r"^[ \t]*Identifier\s+: 0x[0-9a-f]{2} \(", head, re.MULTILINE)
    )


def read(text: str) -> Parts:
    """A port for each `Settings for`, or the one that is told of. Raises Refused where ethtool found no device or no module."""
    rows = plain.whole_lines(text)
    body = "\n".join(rows)
    if starts := list(re.finditer(r"^Settings for (\S+):[ \t]*$", body, re.MULTILINE)):
        pages = [(m[1], body[m.end() : n.start() if n else len(body)]) for m, n in zip(starts, [*starts[1:], None], strict=True)]
        ports = tuple(port for name, page in pages[:1024] if (port := _settings(name, page)))
        if not ports:
            raise Refused(f"ethtool read no settings; it said: {plain.first(body[starts[0].end() :].splitlines())}")
        return Parts(ports=ports)
    if any(row.startswith("Features for ") for row in rows):
        raise Refused("`ethtool -k` lists offloads of the driver; a part is told by `ethtool`, `-i` and `-m`")
    one = plain.pairs(rows)
    if "bus-info" in one:
        return Parts(ports=(_driver(one),))
    if "Identifier" in one:
        return Parts(ports=(NetPort(optic=_optic(rows, one)),))
    raise Refused(f"ethtool told nothing of a port; it said: {plain.first(rows)}")


def _settings(name: str, page: str) -> NetPort | None:
    one = plain.pairs(page.splitlines())
    link = {"yes": True, "no": False}.get(one.get("Link detected", "").split(" ")[0])
    supported = re.search(r"Supported link modes:(.*?)(?=\n\s*[A-Z][\w -]*:)", page, re.DOTALL)
    speeds = [int(found) for found in _MODE.findall(supported[1])] if supported else []
    port = replace(
        _driver(one),
        name=name,
        kind="ethernet",
        speed=plain.leading(one.get("Speed"), "Mb/s"),
        fastest=max(speeds, default=0),
        link=link,
    )
    return port if link is not None or speeds or port.speed or port.pci else None


def _driver(one: dict[str, str]) -> NetPort:
    """What `-i` tells, alone or behind the settings of the port."""
    pci = one.get("bus-info", "").lower()
    return NetPort(
        driver=told(one.get("driver", "")),
        firmware=told(one.get("firmware-version", "")),
        pci=pci if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", pci) else "",
    )


def _optic(rows: list[str], one: dict[str, str]) -> Optic:
    """A module of several lanes has a line for each lane. Without diagnostics there is no power."""
    identifier = re.fullmatch(r"0x[0-9a-f]{2} \((.{1,80})\)", one["Identifier"])
    kinds = [told(value) for key, _, value in (row.partition(":") for row in rows) if key.strip() == "Transceiver type"]
    degrees = re.match(r"(-?\d{1,3}(?:\.\d+)?) degrees C", one.get("Module temperature", ""))
    return Optic(
        kind=kinds[0] if kinds else identifier[1] if identifier else "",
        number=told(one.get("Vendor PN", "")),
        serial=told(one.get("Vendor SN", "")),
        rx=_powers(rows, r"(?:Receiver signal (?:average optical|OMA) power|Rcvr signal avg optical power|Rx power)"),
        tx=_powers(rows, r"(?:Laser output power|Transmit avg optical power|Laser tx power|Tx power)"),
        temperature=float(degrees[1]) if degrees else None,
    )


def _powers(rows: list[str], label: str) -> tuple[float, ...]:
    """dBm. A dark lane is `-inf` and is told as -40, the least that SFF-8472 can tell."""
    form = re.compile(rf"\s*{label}\s*(?:\((?:Channel|Lane) \d+\))?\s*: -?[\d.]+ mW / (-?(?:\d+\.\d+|inf)) dBm")
    found = [form.fullmatch(row) for row in rows]
    return tuple(max(float(one[1]), -40.0) for one in found if one)[:16]
