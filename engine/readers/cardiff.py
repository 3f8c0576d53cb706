"""The tuples of hardware-detect (`.hw_` files, also as JSON), as cardiff compares them: `('disk', 'sda', 'vendor', 'HP')`.

Source: redhat-cip/hardware. Its disk sizes are whole gigabytes, rounded down; they are not read.
"""

from __future__ import annotations

import re

from engine.parts import Dimm, Drive, Firmware, NetPort, Parts, Processor, Product
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

_WORD = r"""\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|(\d{1,20}))\s*"""
_TUPLE = re.compile(rf"[(\[]{_WORD},{_WORD},{_WORD},{_WORD},?[)\]]")
_START = re.compile(r"""[(\[]\s*['"](?:disk|system|cpu|network|memory|firmware|hpa|ipmi)['"]\s*,\s*['"]""")

Facts = dict[str, dict[str, str]]


def looks(text: str) -> bool:
    return bool(re.match(r"\s*\[\s*[(\[]", text[:200]) and _START.search(text[:4000]))


def read(text: str) -> Parts:
    """Raises Refused where there is no tuple of four."""
    by_kind: dict[str, Facts] = {}
    seen = 0
    for match in _TUPLE.finditer(plain.bounded(text)):
        words = (next((one for one in match.groups()[at : at + 3] if one is not None), "") for at in (0, 3, 6, 9))
        kind, item, key, value = (re.sub(r"\\(.)", r"\1", word) for word in words)
        by_kind.setdefault(kind, {}).setdefault(item, {}).setdefault(key, value)
        seen += 1
    if not seen:
        raise Refused(f"no tuple of hardware-detect; the report begins with: {plain.first(plain.lines(text))}")
    product = by_kind.get("system", {}).get("product", {})
    bios = by_kind.get("firmware", {}).get("bios", {})
    board = by_kind.get("system", {}).get("motherboard", {})
    return Parts(
        system=_product(product),
        board=_product(board),
        firmware=(Firmware(part="bios", version=told(bios["version"]), name=told(bios.get("vendor")), date=plain.date(bios.get("date"))),)
        if told(bios.get("version"))
        else (),
        memory=plain.integer(by_kind.get("memory", {}).get("total", {}).get("size")),
        slots=plain.integer(by_kind.get("memory", {}).get("banks", {}).get("count"), MOST_ITEMS),
        processors=tuple(_processor(one) for item, one in by_kind.get("cpu", {}).items() if re.fullmatch(r"physical_\d+", item))[:256],
        dimms=tuple(_dimm(one) for item, one in by_kind.get("memory", {}).items() if item.startswith("bank:"))[:MOST_ITEMS],
        drives=tuple(_drive(item, one) for item, one in by_kind.get("disk", {}).items() if item != "logical")[:MOST_ITEMS],
        ports=tuple(_port(item, one) for item, one in by_kind.get("network", {}).items() if one.get("businfo"))[:MOST_ITEMS],
    )


def _product(one: dict[str, str]) -> Product | None:
    """lshw's way: the SKU stands in parentheses behind the name."""
    found = re.fullmatch(r"(.*) \(([^()]+)\)", one.get("name", ""))
    name, sku = (found[1], found[2]) if found else (one.get("name", ""), "")
    if not any(map(told, one.values())):
        return None
    return Product(
        vendor=told(one.get("vendor")), model=told(name), sku=told(sku), serial=told(one.get("serial")), version=told(one.get("version"))
    )


def _processor(one: dict[str, str]) -> Processor:
    return Processor(
        vendor=told(one.get("vendor")),
        model=told(one.get("product")),
        cores=plain.integer(one.get("cores"), 65536),
        threads=plain.integer(one.get("threads"), 65536),
    )


def _dimm(one: dict[str, str]) -> Dimm:
    size, said = plain.integer(one.get("size")), one.get("description", "")
    if not size:
        return Dimm(place=told(one.get("slot")), present="[empty]" not in said)
    kind = re.search(r"\bDDR\d\b", said)
    return Dimm(
        place=told(one.get("slot")),
        vendor=told(one.get("vendor")),
        number=told(one.get("product")),
        serial=told(one.get("serial")),
        size=size,
        type=kind[0] if kind else "",
        rated=plain.integer(one.get("clock")) // 10**6,
    )


def _drive(item: str, one: dict[str, str]) -> Drive:
    """A kernel's name, or the place of a drive behind a Smart Array (`1I:1:1`)."""
    behind = ":" in item
    return Drive(
        name="" if behind else item,
        place=item if behind else "",
        vendor=told(one.get("vendor")),
        model=told(one.get("model")),
        serial=told(one.get("serial") or one.get("SMART/serial_number")),
        wwn=plain.wwn(one.get("wwn-id", "").removeprefix("wwn-")),
        firmware=told(one.get("rev")),
        protocol={"SAS": "sas", "SATA": "sata"}.get(one.get("type", ""), ""),  # type: ignore[arg-type]
    )


def _port(item: str, one: dict[str, str]) -> NetPort:
    return NetPort(
        name=item,
        vendor=told(one.get("vendor")),
        model=told(one.get("product")),
        mac=plain.mac(one.get("serial")),
        kind="ethernet",
        pci=one.get("businfo", "").removeprefix("pci@") if one.get("businfo", "").startswith("pci@") else "",
        driver=told(one.get("driver")),
        firmware=told(one.get("firmware")),
        link={"yes": True, "no": False}.get(one.get("link", "")),
    )
