"""The tree of `lshw`, whichever form it was printed in: JSON of all versions, XML, or text. -> nodes, as the JSON has them.

Source: lshw's hw.cc and print.cc. In text there are no classes; they follow from the ids, which lshw does not translate.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from engine.readers import plain
from engine.readers.report import Refused

Node = dict[str, Any]
_HEAD = re.compile(r"^(\s*)\*-([a-z0-9:._-]+)(.*)$")
_CLASSES = {
    "cpu": "processor",
    "memory": "memory",
    "bank": "memory",
    "firmware": "memory",
    "cache": "memory",
    "network": "network",
    "disk": "disk",
    "cdrom": "disk",
    "namespace": "disk",
    "storage": "storage",
    "nvme": "storage",
    "sata": "storage",
    "sas": "storage",
    "raid": "storage",
    "scsi": "storage",
    "ide": "storage",
    "display": "display",
    "core": "bus",
    "power": "power",
    "pci": "bridge",
}
_KEYS = {"logical name": "logicalname", "bus info": "businfo", "physical id": "physid"}


def of_json(text: str) -> Node:
    """The root. Old versions print several nodes of a class without brackets, or without the commas between. Raises Refused."""
    try:
        tree = plain.tree(text)
    except Refused as refused:
        bare = re.sub(r"\}\s*,?\s*\n\s*\{", "},{", plain.bounded(text).strip().rstrip(","))
        begin = re.search(r"^[ \t]*\{", bare, re.MULTILINE)
        if begin is None:
            raise
        try:
            tree = plain.tree(f"[{bare[begin.start() :]}]")
        except Refused:
            raise refused from None
    return _one([node for node in plain.many(tree) if isinstance(node, dict)])


def of_xml(text: str) -> Node:
    """The root. Raises Refused."""
    root = plain.markup(text)
    nodes = [root] if root.tag == "node" else root.findall("node")
    return _one([_element(node, 0) for node in nodes])


def _element(one: ElementTree.Element, depth: int) -> Node:
    out: Node = {key: one.get(key, "") for key in ("id", "class", "handle")}
    out["disabled"] = one.get("disabled") == "true"
    for part in one:
        if part.tag == "node":
            if depth < 60:
                out.setdefault("children", []).append(_element(part, depth + 1))
        elif part.tag in ("configuration", "capabilities"):
            out[part.tag] = {str(each.get("id")): each.get("value", each.text or "") for each in part}
        else:
            out.setdefault(part.tag, (part.text or "").strip())
            if part.get("units"):
                out["units"] = part.get("units")
    return out


def of_text(text: str) -> Node:
    """The root. Raises Refused where there is no node."""
    root: Node = {"id": "", "class": "system"}
    stack: list[tuple[int, Node]] = [(-1, root)]
    for row in plain.whole_lines(text):
        if head := _HEAD.match(row):
            depth, name = len(head[1]), head[2]
            node: Node = {"id": name, "class": _CLASSES.get(name.split(":")[0], ""), "disabled": "DISABLED" in head[3]}
            while len(stack) > 1 and stack[-1][0] >= depth:
                stack.pop()
            if len(stack) < 60:
                stack[-1][1].setdefault("children", []).append(node)
                stack.append((depth, node))
            continue
        key, found, value = row.strip().partition(": ")
        if found:
            _put(stack[-1][1], key, value.strip())
    if len(stack) == 1 and not root.get("product"):
        raise Refused(f"lshw listed nothing; it said: {plain.first(plain.lines(text))}")
    return _one([root])


def _put(node: Node, key: str, value: str) -> None:
    if key == "configuration":
        node[key] = dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", value))
    elif key == "capabilities":
        node[key] = dict.fromkeys(value.split(), "")
    elif key in ("size", "capacity", "clock") and (rate := re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(bit/s|Hz)", value)):
        node.setdefault(key, int(float(rate[1]) * 1000 ** " KMGT".index(rate[2] or " ")))
        node["units"] = rate[3]
    elif key in ("size", "capacity"):
        node.setdefault(key, plain.size(re.sub(r" \(.*\)$", "", value)))
    else:
        node.setdefault(_KEYS.get(key, key), value)


def _one(nodes: list[Node]) -> Node:
    """The system, or a nameless node over what `-class` printed."""
    if not nodes:
        raise Refused("lshw listed nothing")
    whole = len(nodes) == 1 and (nodes[0].get("class") == "system" or _has_core(nodes[0]))
    return nodes[0] if whole else {"id": "", "class": "", "children": nodes}


def _has_core(node: Node) -> bool:
    return any(isinstance(child, dict) and child.get("id") == "core" for child in plain.many(node.get("children")))
