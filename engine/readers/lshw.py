"""`lshw` as JSON, XML or text -> a machine's parts. Source: lshw's dmi.cc, network.cc and nvme.cc.

Not read, for what lshw makes of it: the UUID, whose octets older versions swap, and a processor's `capacity`. It is what the socket
allows, or what the processor runs at now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.parts import Card, Controller, Dimm, Drive, Firmware, NetPort, Parts, Processor, Product
from engine.readers import plain
from engine.readers.lshw_tree import Node, of_json, of_text, of_xml
from engine.readers.lspci import kind_of
from engine.readers.report import MOST_ITEMS, told

_VIRTUAL = {
    "bridge",
    "tun",
    "bonding",
    "veth",
    "dummy",
    "802.1Q VLAN Support",
    "macvlan",
    "openvswitch",
    "ipvlan",
    "team",
    "vxlan",
    "wireguard",
}
_DEVICE = re.compile(r"/dev/(?:[shvx]v?d[a-z]{1,3}|nvme\d+(?:c\d+)?n\d+|sr\d+|mmcblk\d+|dasd[a-z]+|st\d+|pmem\d+)")


def looks_json(text: str) -> bool:
    if not plain.begins_json(text, "id"):
        return False
    tree = '"children"' in text and bool(re.search(r'"(?:class|claimed|businfo|physid)"\s*:', text))
    return tree or plain.begins_json(text, "class", "claimed")


def looks_xml(text: str) -> bool:
    return bool(re.search(r"<node id=\"", text[:4000]))


def looks_text(text: str) -> bool:
    return bool(re.search(r"^[ \t]+\*-(?:core|firmware|cpu|memory|network|disk|storage|display|pci)\b", text[:6000], re.MULTILINE))


def read_json(text: str) -> Parts:
    """Raises Refused."""
    return _parts(of_json(text))


def read_xml(text: str) -> Parts:
    """Raises Refused."""
    return _parts(of_xml(text))


def read_text(text: str) -> Parts:
    """Raises Refused."""
    return _parts(of_text(text))


def _walk(root: Node) -> Iterator[tuple[Node, Node]]:
    """Each node with its parent, in the order of the report."""
    waiting: list[tuple[Node, Node]] = [(root, {})]
    seen = 0
    while waiting and seen < 16 * MOST_ITEMS:
        node, parent = waiting.pop()
        seen += 1
        yield node, parent
        waiting += [(child, node) for child in reversed(plain.many(node.get("children"))) if isinstance(child, dict)]


def _parts(root: Node) -> Parts:
    processors: list[Processor] = []
    firmware, dimms, drives, controllers, ports, cards = [], [], [], [], [], []
    memory, logical, board = 0, 0, None
    for node, parent in _walk(root):
        kind, name = _word(node, "class"), _word(node, "id").split(":")[0]
        if name == "core" and board is None:
            board = _product(node)
        elif name == "firmware":
            firmware += _bios(node)
        elif name == "bank":
            dimms += [_dimm(node, parent)] if any(_word(node, key) or node.get(key) for key in ("size", "slot", "description")) else []
        elif name == "memory" and not _pci(node):
            memory += plain.integer(node.get("size"))
        elif kind == "processor" and (not node.get("disabled") or _is_empty(node)):
            socket = _word(node, "slot") or _word(node, "handle").startswith("DMI")
            logical += not socket
            processors += [_processor(node)] if socket and not _repeats(node, processors) else []
        elif kind == "disk" and name != "medium" and (device := _device(node)):
            drives.append(_drive(node, parent, device))
        elif kind == "network" and (port := _port(node)) is not None:
            ports.append(port)
        elif kind == "storage" and _pci(node) and not re.search(r"NVMe|Non-Volatile", _word(node, "description")):
            controllers.append(_controller(node))
        elif kind in ("display", "generic", "multimedia", "communication", "coprocessor") and _pci(node):
            cards.append(_card(node))
    return Parts(
        system=_product(root) if root.get("class") == "system" or root.get("product") else None,
        board=board,
        firmware=tuple(firmware)[:64],
        memory=memory,
        processors=tuple(processors)[:MOST_ITEMS],
        dimms=tuple(dimms)[:MOST_ITEMS],
        drives=tuple(drives)[:MOST_ITEMS],
        controllers=tuple(controllers)[:MOST_ITEMS],
        ports=tuple(ports)[:MOST_ITEMS],
        cards=tuple(cards)[:MOST_ITEMS],
        odd=(f"lshw lists {logical} logical processors without their sockets",) if logical else (),
    )


def _word(node: Node, key: str) -> str:
    word = told(node.get(key))
    return "" if word.upper() in ("NO DIMM", "NOT AVAILABLE", "NOT DEFINED", "[EMPTY]") else word


def _is_empty(node: Node) -> bool:
    """`DIMM [empty]`; the word in brackets is translated."""
    return bool(re.search(r"\[\w+\]$", str(node.get("description", ""))[:200]))


def _setting(node: Node, key: str) -> str:
    return told(plain.item(node, "configuration", key))


def _pci(node: Node) -> str:
    found = re.fullmatch(r"pci@([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", _word(node, "businfo"))
    return found[1] if found else ""


def _device(node: Node) -> str:
    names = [told(name) for name in plain.many(node.get("logicalname"))]
    return next((name.removeprefix("/dev/") for name in names if _DEVICE.fullmatch(name)), "")


def _repeats(node: Node, before: list[Processor]) -> bool:
    """Whether it has a label that an earlier one has, and no count of cores: some firmware lists each logical processor so."""
    return not _setting(node, "cores") and any(one.place and one.place == _word(node, "slot") for one in before)


def _product(node: Node) -> Product | None:
    """lshw writes the SKU in parentheses behind the product of the system."""
    sku, model = _setting(node, "sku"), _word(node, "product")
    if (cut := re.fullmatch(r"(.+) \((.+)\)", model)) and not told(cut[2]):
        model = cut[1]
    found = Product(
        vendor=_word(node, "vendor"),
        model=model.removesuffix(f" ({sku})") if sku else model,
        serial=_word(node, "serial"),
        version=_word(node, "version"),
        family=_setting(node, "family"),
        sku=sku,
    )
    return found if found != Product() else None


def _bios(node: Node) -> list[Firmware]:
    """Old versions write the date behind the version."""
    version, date = _word(node, "version"), _word(node, "date")
    if found := re.fullmatch(r"(.*?) ?\((\d{2}/\d{2}/\d{4})\)", version):
        version, date = found[1], date or found[2]
    return [Firmware(part="bios", version=version, name=_word(node, "vendor"), date=plain.date(date))] if version else []


def _dimm(node: Node, parent: Node) -> Dimm:
    said, size = _word(node, "description"), plain.integer(node.get("size"))
    if not size and not (_word(node, "product") and _word(node, "serial")):  # sizes of 32 GiB and more are 0 in old versions
        return Dimm(place=_word(node, "slot"), present=not _is_empty(node))
    kind = re.search(r"\b(?:LP)?DDR\d?[A-Z]?\b", said)
    rate = re.search(r"\b(\d{3,5}) MHz", said)
    checks = _setting(parent, "errordetection") or ("ecc" if "ecc" in (plain.item(parent, "capabilities") or {}) else "")
    return Dimm(
        place=_word(node, "slot"),
        vendor=_word(node, "vendor"),
        number=_word(node, "product"),
        serial=_word(node, "serial"),
        size=size,
        type=kind[0] if kind else "",
        rated=plain.integer(node.get("clock")) // 10**6 or (int(rate[1]) if rate else 0),
        ecc=True if "ecc" in checks else None,
    )


def _processor(node: Node) -> Processor:
    model = _word(node, "product") or _word(node, "version")
    if not model and _is_empty(node):
        return Processor(place=_word(node, "slot"), present=False)
    features = plain.item(node, "capabilities") or {}
    return Processor(
        place=_word(node, "slot"),
        vendor=_word(node, "vendor"),
        model=model,
        serial=_word(node, "serial"),
        cores=plain.integer(_setting(node, "cores"), 65536),
        threads=plain.integer(_setting(node, "threads"), 65536),
        architecture="x86_64" if "x86-64" in features else "",
        virtualization=True if {"vmx", "svm"} & set(features) else None,
    )


def _drive(node: Node, parent: Node, device: str) -> Drive:
    """An NVMe namespace has its model, serial number and firmware at the controller above it."""
    of = parent if _word(parent, "id").split(":")[0] == "nvme" else node
    turns = next((found for key in plain.item(node, "capabilities") or {} if (found := re.fullmatch(r"(\d{4,5})rpm", str(key)))), None)
    nvme = device.startswith("nvme")
    return Drive(
        name=device,
        vendor=_word(of, "vendor"),
        model=_word(of, "product"),
        serial=_word(of, "serial"),
        firmware=_word(of, "version"),
        wwn=plain.wwn(_setting(node, "wwid")),
        size=plain.integer(node.get("size")),
        block=plain.integer(_setting(node, "logicalsectorsize") or _setting(node, "sectorsize"), 2**20),
        medium="optical" if device.startswith("sr") else "ssd" if nvme else "hdd" if turns else "",
        protocol="nvme" if nvme else "usb" if _word(node, "businfo").startswith("usb@") else "",
        rpm=int(turns[1]) if turns else 0,
    )


def _port(node: Node) -> NetPort | None:
    names = [told(name) for name in plain.many(node.get("logicalname")) if told(name)]
    driver = _setting(node, "driver")
    if driver in _VIRTUAL or (not driver and not _pci(node)):
        return None
    features = plain.item(node, "capabilities") or {}
    rate = re.fullmatch(r"(\d{1,6})([MG])bit/s", _setting(node, "speed"))
    wireless = "wireless" in features or bool(_setting(node, "wireless"))
    return NetPort(
        name=names[0] if names else "",
        vendor=_word(node, "vendor"),
        model=_word(node, "product"),
        mac=plain.mac(node.get("serial")),
        kind="other" if wireless else "infiniband" if "infiniband" in features else "ethernet" if "ethernet" in features else "",
        pci=_pci(node),
        driver=driver,
        firmware=_setting(node, "firmware"),
        speed=plain.integer(node.get("size")) // 10**6 or (int(rate[1]) * (1000 if rate[2] == "G" else 1) if rate else 0),
        fastest=plain.integer(node.get("capacity")) // 10**6,
        link={"yes": True, "no": False}.get(_setting(node, "link")),
    )


def _controller(node: Node) -> Controller:
    raid = "RAID" in _word(node, "description")
    return Controller(
        pci=_pci(node),
        vendor=_word(node, "vendor"),
        model=_word(node, "product"),
        driver=_setting(node, "driver"),
        mode="raid" if raid else "",
    )


def _card(node: Node) -> Card:
    vendor = _word(node, "vendor")
    kind = kind_of(_word(node, "description"), "", vendor)
    return Card(pci=_pci(node), vendor=vendor, model=_word(node, "product"), kind=kind, driver=_setting(node, "driver"))
