"""`crowbar topology`: the cables as LLDP reports them, compared with the plan. With a node: its cables, and the ports of its networks."""

from __future__ import annotations

import argparse
import json
import sys
import time

from engine.api.control import Link, Reader, Topology, natural, to_json

from .. import lines
from ..console.formats import since

WIDTH = 80


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("topology", help="show the links by switch and port, checked against the plan's cables")
    command.add_argument("node", nargs="?", default="", help="only this node's links, and its networks with the ports of their conduits")
    command.add_argument("--json", action="store_true", help="print one JSON object per link; the last one is the summary")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with Reader(arguments.store) as reader:
        found, carried = reader.topology(), reader.carriers(arguments.node) if arguments.node else ()
        if arguments.node:
            node = reader.node(arguments.node)
            if node is None:
                print(f"crowbar: there is no node {arguments.node}", file=sys.stderr)
                return 2
            found = of_node(found, lines.short(node.name))
    if not arguments.json:
        print("\n".join([draw(found, time.time()), *(["", " networks", *lines.carriers(carried)] if carried else [])]))
        return 0
    for switch in found.switches:
        print(json.dumps({"type": "switch", **to_json(switch)}))
    for link in found.links:
        print(json.dumps({"type": "link", **to_json(link)}))
    for one in carried:
        print(json.dumps({"type": "network", **to_json(one)}))
    here = {"here": found.here.words} if found.here is not None else {}
    print(json.dumps({"type": "summary", **found.checks, **here}))
    return 0


def of_node(found: Topology, node: str) -> Topology:
    """Only the links of one node, and the switches at their other ends."""
    links = tuple(link for link in found.links if link.node == node)
    names = {link.switch or link.plan.partition(":")[0] for link in links}
    checks = {word: sum(link.check == word for link in links) for word in found.checks}
    return Topology(switches=tuple(one for one in found.switches if one.name in names), links=links, checks=checks)


def draw(found: Topology, now: float) -> str:
    """The topology as text of 80 columns: a paragraph per switch, its ports in order, and a mark for each link that needs a person."""
    out = [f" you are here: {found.here.words}", ""] if found.here is not None else []
    if not found.links:
        return "\n".join([*out, "no link is known yet: nodes listen for LLDP during discovery"])
    nodes = max(len(link.node) for link in found.links)
    nics = max(len(link.nic or link.link) for link in found.links)
    for switch in found.switches:
        mine = [x for x in found.links if (x.switch or x.plan.partition(":")[0]) == switch.name]
        heard = f"lldp {since(now, switch.at)}" if switch.at else "not heard"
        oldest = min((x.at for x in mine if x.switch and x.at), default=switch.at)
        if oldest < switch.at - 60:
            heard += f", the oldest {since(now, oldest)}"
        out.append(f" {switch.name}  {heard}")
        ports = [(x.port or x.plan.partition(":")[2], x) for x in mine]
        width = max((len(port) for port, _ in ports), default=0)
        for port, link in sorted(ports, key=lambda p: (natural(p[0]), p[1].node)):
            out += _row(port.ljust(width), link, nodes, nics)
        out.append("")
    stray = [x for x in found.links if not x.switch and not x.plan]
    if stray:
        out.append(" no switch heard")
        for link in stray:
            out += _row("?", link, nodes, nics)
        out.append("")
    checks = found.checks
    words = ("right", "swapped", "missing", "silent", "unknown")
    out.append(" cables: " + "  ".join(f"{checks.get(word, 0)} {word}" for word in words))
    return "\n".join(out)


def _row(port: str, link: Link, nodes: int, nics: int) -> list[str]:
    quiet = link.check == "right" or (link.check == "silent" and link.link == "bmc")  # few relays report the port of a BMC
    mark = " " if quiet and not link.faulty else "!"
    light = [f"{'':>6}{link.faulty}"] if link.faulty else []
    if link.switch:
        head = f" {mark} {port} ─ {link.node:<{nodes}} {link.nic:<{nics}}  {link.check}"
        rest = [*light, *(f"{'':>6}also hears {other}" for other in link.others)]
        return [head.rstrip(), *rest] if not link.why else [*_fit(head, link.why), *rest]
    who = f"{link.node} {link.nic or link.link}"
    head = f" {mark} {port} ─ {'(silent)' if link.up else '(no link)'}  {'plan: ' if link.plan else ''}{who}"
    return [*_fit(f"{head}:", link.why), *light]


def _fit(head: str, why: str) -> list[str]:
    whole = f"{head}  {why}"
    return [whole] if len(whole) <= WIDTH else [head.rstrip(), f"{'':>6}{why}"]
