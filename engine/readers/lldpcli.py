"""lldpd's `lldpcli show neighbors` (and `lldpctl`): json, json0, xml, keyvalue and plain. It tells LLDP, CDP, EDP, FDP and SONMP alike.

Source: lldpd's src/client/json_writer.c, xml_writer.c, kv_writer.c and text_writer.c. Each form becomes the tree of json0, and one function
reads that. `show interfaces` is of the machine itself; it is refused.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from engine.parts import Heard, Parts
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

MOST_NEIGHBOURS = 1024
_PROTOCOLS = {"LLDP": "lldp", "CDPv1": "cdp", "CDPv2": "cdp", "CDP": "cdp", "EDP": "edp", "FDP": "fdp", "SONMP": "sonmp"}
_KEY = re.compile(r"lldp\.(.+?)\.((?:via|rid|age|chassis|port|vlan|ppvid|pi|lldp-med|unknown-tlvs|status|ttl)(?:\.[\w./-]+)?)=(.*)")
_ID_TYPES = ("mac", "ifname", "ifalias", "local", "ip", "unhandled", "port", "chassis", "circuit", "component")
_PLAIN = re.compile(r"^Interface:\s+(\S+?), via: (\w+)", re.MULTILINE)


def looks_json(text: str) -> bool:
    return bool(re.search(r'^\s*\{\s*"lldp"\s*:\s*[\[{]', text[:4000], re.MULTILINE))


def looks_xml(text: str) -> bool:
    return bool(re.search(r"<lldp(?:\s|>|/>)", text[:1000]))


def looks_keyvalue(text: str) -> bool:
    return any(_KEY.match(row) for row in text[:4000].splitlines())


def looks_plain(text: str) -> bool:
    return bool(re.search(r"^LLDP (?:neighbors|interfaces):\s*$", text[:2000], re.MULTILINE) or _PLAIN.search(text[:4000]))


def read_json(text: str) -> Parts:
    """The neighbours; none is no refusal. Raises Refused."""
    top = plain.tree(text)
    if not isinstance(plain.item(top, "lldp"), list | dict):
        raise Refused("lldpcli's JSON has no `lldp`")
    found: list[tuple[str, Any]] = []
    for lldp in plain.many(top["lldp"]):
        for one in plain.many(plain.item(lldp, "interface")):
            if not isinstance(one, dict):
                continue
            if isinstance(one.get("name"), str):
                found.append((one["name"], one))
            else:
                found += [(nic, each) for nic, value in one.items() for each in plain.many(value)]
    return _made(found)


def read_xml(text: str) -> Parts:
    """The neighbours; none is no refusal. Raises Refused."""
    root = plain.markup(text)
    if root.tag != "lldp":
        raise Refused(f"the XML is of {root.tag[:40]}, not of lldpcli")
    return _made([(told(one.get("name")), _element(one)) for one in root.findall("interface")[:MOST_NEIGHBOURS]])


def _element(one: ElementTree.Element) -> dict[str, Any]:
    """As json0 has it: attributes as texts, children in lists, the text as `value`."""
    out: dict[str, Any] = {key: value for key, value in one.attrib.items() if key != "label"}
    if one.text and one.text.strip():
        out["value"] = one.text.strip()
    for child in list(one)[:MOST_ITEMS]:
        out.setdefault(child.tag, []).append(_element(child))
    return out


def read_keyvalue(text: str) -> Parts:
    """A neighbour begins with its `via`; the lines of two ports may be mixed. Lines without a key go on with the text above.

    Raises Refused where there is no key.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    told_lines: list[tuple[str, list[str], str]] = []
    for row in plain.whole_lines(text):
        if match := _KEY.match(row):
            told_lines.append((match[1], match[2].split("."), match[3].strip()))
        elif told_lines and row.strip() and len(told_lines[-1][2]) < 1000:
            told_lines[-1] = (*told_lines[-1][:2], f"{told_lines[-1][2]} {row.strip()}")
    last: dict[str, dict[str, Any]] = {}
    for nic, key, value in told_lines:
        if key == ["via"] or nic not in last:
            last[nic] = {}
            found.append((nic, last[nic]))
        _put(last[nic], key, value)
    if not told_lines:
        raise Refused(f"lldpcli printed no keys; it said: {plain.first(plain.lines(text))}")
    return _made(found)


def _put(tree: dict[str, Any], key: list[str], value: str) -> None:
    head, rest = key[0], key[1:]
    if head in ("chassis", "port") and len(rest) == 1 and rest[0] in _ID_TYPES:
        tree.setdefault(head, [{}])[0].setdefault("id", [{"type": rest[0], "value": value}])
    elif head == "chassis" and len(rest) == 2 and rest[1] == "enabled":
        tree.setdefault(head, [{}])[0].setdefault("capability", []).append({"type": rest[0], "enabled": value})
    elif head in ("chassis", "port") and len(rest) == 1:
        tree.setdefault(head, [{}])[0].setdefault(rest[0], []).append({"value": value})
    elif head == "vlan":
        vlans = tree.setdefault("vlan", [])
        if rest == ["vlan-id"]:
            vlans.append({"vlan-id": value})
        elif rest == ["pvid"] and vlans:
            vlans[-1]["pvid"] = value
    elif not rest:
        tree.setdefault(head, value)


def read_plain(text: str) -> Parts:
    """The neighbours, with or without `details`. Raises Refused where it is `show interfaces` or nothing of lldpcli."""
    body = "\n".join(plain.whole_lines(text))
    heads = list(_PLAIN.finditer(body))
    if not heads:
        if re.search(r"^LLDP neighbors:", body, re.MULTILINE):
            return Parts()
        raise Refused("this lists the machine's own interfaces; `lldpcli show neighbors` lists its neighbours")
    pages = [
        (head, body[head.end() : following.start() if following else len(body)])
        for head, following in zip(heads, [*heads[1:], None], strict=True)
    ]
    return _made([(head[1], _page(head[2], page)) for head, page in pages[:MOST_NEIGHBOURS]])


def _page(via: str, page: str) -> dict[str, Any]:
    chassis: dict[str, Any] = {}
    port: dict[str, Any] = {}
    tree: dict[str, Any] = {"via": via, "chassis": [chassis], "port": [port], "vlan": []}
    names = {"SysName": (chassis, "name"), "SysDescr": (chassis, "descr"), "MgmtIP": (chassis, "mgmt-ip"), "PortDescr": (port, "descr")}
    names |= {"TTL": (port, "ttl"), "MFS": (port, "mfs")}
    last: list[dict[str, str]] = []
    for row in page.splitlines():
        key, _, value = row.strip().partition(":")
        value = value.strip()
        if row.startswith(" " * 18) and last and len(last[-1]["value"]) < 1000:
            last[-1]["value"] += f" {row.strip()}"
            continue
        last = []
        if key in ("ChassisID", "PortID"):
            kind, _, rest = value.partition(" ")
            (chassis if key == "ChassisID" else port).setdefault("id", [{"type": kind, "value": rest}])
        elif key == "Capability":
            kind, _, state = value.partition(",")
            chassis.setdefault("capability", []).append({"type": kind, "enabled": state.strip()})
        elif key == "VLAN" and (found := re.match(r"(\d+)(?:, pvid: (yes|no))?", value)):
            tree["vlan"].append({"vlan-id": found[1], "pvid": found[2] or ""})
        elif key in names:
            where, name = names[key]
            last = where.setdefault(name, [])
            last.append({"value": value})
    return tree


def _made(found: list[tuple[str, Any]]) -> Parts:
    heard, own = [], 0
    for nic, tree in found[:MOST_NEIGHBOURS]:
        if isinstance(tree, dict) and "via" in tree and told(nic):
            heard.append(_heard(told(nic), tree))
        else:
            own += 1
    if own and not heard:
        raise Refused("this lists the machine's own interfaces; `lldpcli show neighbors` lists its neighbours")
    return Parts(heard=tuple(heard))


def _one(value: object) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _texts(value: object) -> list[str]:
    """All values of a key, whichever of the forms it has."""
    return [told(one.get("value", one.get("ttl")) if isinstance(one, dict) else one) for one in plain.many(value)]


def _text(value: object) -> str:
    return next(iter(_texts(value)), "")


def _yes(value: object) -> bool:
    return value is True or str(value).lower() in ("on", "yes", "true")


def _heard(nic: str, tree: dict[str, Any]) -> Heard:
    chassis, name = _one(tree.get("chassis")), ""
    if isinstance(chassis, dict) and "id" not in chassis and len(chassis) == 1:
        key, value = next((key, _one(value)) for key, value in chassis.items())
        if isinstance(value, dict) and "value" not in value:
            name, chassis = key, value
    chassis = chassis if isinstance(chassis, dict) else {}
    port = _one(tree.get("port"))
    port = port if isinstance(port, dict) else {}
    vlans = [
        (plain.integer(_text(one.get("vlan-id")), 4094), _yes(one.get("pvid")))
        for one in plain.many(tree.get("vlan"))
        if isinstance(one, dict)
    ]
    ids = [number for number, _ in vlans if number]
    return Heard(
        nic=nic,
        protocol=_PROTOCOLS.get(_text(tree.get("via")), "other"),  # type: ignore[arg-type]
        chassis=_text(plain.item(_one(chassis.get("id")), "value")),
        port=_text(plain.item(_one(port.get("id")), "value")),
        port_kind=_text(plain.item(_one(port.get("id")), "type")),
        port_description=_text(port.get("descr")),
        system=told(name) or _text(chassis.get("name")),
        system_description=_text(chassis.get("descr")),
        addresses=tuple(dict.fromkeys(one for one in _texts(chassis.get("mgmt-ip")) if one))[:16],
        vlan=next((number for number, untagged in vlans if untagged), 0),
        vlans=tuple(dict.fromkeys(ids)),
        capabilities=tuple(
            told(one.get("type")).lower()
            for one in plain.many(chassis.get("capability"))
            if isinstance(one, dict) and _yes(one.get("enabled"))
        ),
        mtu=plain.integer(_text(port.get("mfs")), 65535),
        ttl=plain.integer(_text(port.get("ttl")), 65535),
    )
