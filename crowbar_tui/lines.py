"""Plain text for people without a console: the same records that `--json` prints, as lines of at most 80 columns where
the content allows."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.api.control import (
    ROOT,
    Broken,
    Carrier,
    Disk,
    Drift,
    Explained,
    LayerRow,
    NodePreview,
    NodeRow,
    RoleRow,
    Summary,
    Validation,
    Why,
    carrier_words,
    sentence,
)

from .console.formats import ago, since, tests_told
from .console.trust import NETWORK_TRUST

MOST_FINDINGS = 10


def summary(s: Summary, running: bool) -> str:
    out = [f"{s.nodes} nodes  {s.ready} ready  {s.failed} failed  {s.boots} boots     engine {'running' if running else 'not running'}"]
    out += [f"  you are here: {s.here.words}"] if s.here is not None else []
    out += [f"  {NETWORK_TRUST}"] if s.trust == "network" else []
    out += deployments(s)
    out += [reason(f"  {name}: ", why) for name, why in s.waiting.items()]
    out += validation(s.validation)
    out += [reason(f"  {one.role} on {short(one.node)}: ", one.why) for one in s.findings[:MOST_FINDINGS]]
    left = len(s.findings) - MOST_FINDINGS
    out += [f"  and {left} more findings: crowbar roles"] if left > 0 else []
    return "\n".join(out)


def deployments(s: Summary) -> list[str]:
    """One line per deployment: its state, and the node role that holds it up with the reason."""
    out = []
    for name, state in s.deployments.items():
        held = s.held_up.get(name)
        if held is not None and held.edit is not None:
            state = f"{state} by {held.edit.who}" + ("" if held.runs == "empty" else f", committed: {held.runs}")
        if state == "empty":
            continue
        who = f"; {held.role} on {short(held.node)}" if held is not None and held.role else ""
        said = "" if held is None else f"{': ' if who else '; '}{held.why.sentence}" if held.why is not None else " is at work"
        out.append(f"  {name}: {state}{who}{said}")
    return out


def validation(found: Validation) -> list[str]:
    """What the validating roles found. Nothing if none of them reports tests and none failed."""
    out = []
    if found.tests or found.failed:
        head = f"{found.passed} of {found.roles} validating roles passed" + (f", {found.failed} failed" if found.failed else "")
        out.append(f"  {head}" + (f"; tests: {tests_told(found.tests)}" if found.tests else ""))
    out += [f"    {broken(one)}" for one in found.broken]
    return out


def steps(seconds: Mapping[str, float]) -> list[str]:
    """How long each step of the bring-up took. They overlap where nodes are at different points."""
    words = {"bios-raid": "BIOS and RAID", "os": "operating system", "openstack": "OpenStack", "application": "reference application"}
    return [f"  steps: {', '.join(f'{words.get(name, name)} {many:.0f} s' for name, many in seconds.items())}"] if seconds else []


def broken(one: Broken) -> str:
    return f"failed: {one.test or one.role} on {short(one.node)}{': ' if one.line else ''}{one.line}"


def drift(found: Drift, left: bool = True) -> list[str]:
    """What stands beside the plan although there is nothing to commit: one line per setting and per node role."""
    out = [f"beside the plan: {one.words}" for one in found.settings]
    for what, roles in (("left", found.left if left else ()), ("needs a redeploy", found.redeploy)):
        out += [f"{what}: {one.role} on {one.node}, because {one.why}" for one in roles]
    return out


def process(interface: dict[str, Any], rights: dict[str, Any]) -> list[str]:
    """What is wrong with the interface that is served, and why the engine is root."""
    out = []
    if interface.get("code"):
        head = f"  {interface['name'] or interface['address']}: "
        out += [f"{head}{interface['sentence']}", f"{' ' * len(head)}try: {interface['advice']}"]
    if rights.get("why_root"):
        out.append(f"  the engine runs as root: {rights['why_root']}")
    return out


def leading(shown: Mapping[str, Any], now: float) -> list[str]:
    """Which engine decides, on a store that several engines share (`health()["leading"]`). Nothing on another."""
    if not shown:
        return []
    name, leader, trouble = shown["name"], shown["leader"], shown["trouble"]
    if shown["role"] == "leader":
        others = ", ".join(shown["standbys"])
        out = [f"  {name} decides, for {since(now, shown['since'])}; standbys: {others or 'none'}"]
        out += [f"    {trouble}"] if trouble else []
        return out
    if trouble:
        head = f"{name} is a standby, and for {since(now, shown['trouble_since'])} it cannot see who decides"
        return [f"  {head}: {trouble}", "    try: check PostgreSQL and the network between the admin nodes; machines that work go on"]
    if not leader:
        return [f"  {name} is a standby, and no engine decides: a standby takes over within {shown['take_over_s']:g} s"]
    out = [f"  {leader} decides, for {since(now, shown['since'])}; {name} is a standby: give orders on {leader}"]
    if shown["silent_s"] > shown["take_over_s"] / 2:
        out.append(f"    {leader} is silent for {shown['silent_s']:.0f} s; a standby takes over after {shown['take_over_s']:g} s")
    return out


def api(shown: dict[str, Any]) -> list[str]:
    """Where the HTTP API listens, or why it does not although somebody asked for it."""
    if shown.get("url"):
        return [f"  the HTTP API listens on {shown['url']}{'; it needs a token and a certificate' if shown.get('both') else ''}"]
    why = shown.get("why") or {}
    return [f"  {why['sentence']}", f"    try: {why['advice']}"] if why.get("code") not in (None, "api_off") else []


def monitoring(shown: dict[str, Any]) -> list[str]:
    """One line about Nagios, if the plan wants it."""
    why = shown.get("why") or {}
    if why:
        return [f"  {why['sentence']}", f"    try: {why['advice']}"]
    if shown.get("state") != "works":
        return []
    more = "; crowbar health shows them" if shown["red"] else ""
    return [f"  Nagios: {shown['hosts']} hosts, {shown['checks']} checks, {shown['red']} red{more}"]


def checks(shown: dict[str, Any], rows: Sequence[dict[str, Any]], now: float) -> list[str]:
    """What Nagios says of each host and check, the worst first."""
    out = [line.strip() for line in monitoring(shown)]
    out += {
        "off": ["the plan has no monitoring: give nodes the role monitor-client"],
        "waiting": ["Nagios has not written anything yet"],
    }.get(shown["state"], [])
    if rows:
        out.append(f"{'state':<12} {'age':>6} {'looked':>6}  node, role and check")
    for row in rows:
        who = short(row["node"]) + (f" {row['role']}/{row['check']}" if row["role"] else "")
        out.append(f"{row['state']:<12} {since(now, row['since']):>6} {since(now, row['looked']):>6}  {who}: {row['text']}")
        if row["quiet"] and row["state"] not in ("up", "good"):
            out.append(f"{'':<28}no alarm, because {row['quiet']}")
    left = shown.get("hosts", 0) + shown.get("checks", 0) - len(rows)
    out += [f"{left} more are not shown"] if rows and left > 0 else []
    return [*out, f"Prometheus listens on {shown['trends']}"] if shown.get("trends") else out


def other_catalogue(health: dict[str, Any], there: Mapping[str, tuple[str, str]], stages: Sequence[str]) -> list[str]:
    """What differs between the barclamps and stages of the running engine (its `health`) and those on the disk."""
    if "barclamps" not in health:
        return []
    running = {name: tuple(one) for name, one in health["barclamps"].items()}
    out = []
    for name in sorted(running.keys() | there.keys()):
        if running.get(name) != there.get(name):
            before, after = running.get(name, ("none", ""))[0], there.get(name, ("none", ""))[0]
            words = f"{before} -> {after}" if before != after else f"{after}, with other content"
            out.append(f"from the engine's next start: barclamp {name} {words}")
    if list(health.get("stages", [])) != list(stages):
        out.append(f"from the engine's next start: stages {', '.join(stages)}")
    return out


def drops(found: Sequence[dict[str, Any]]) -> list[str]:
    """What was dropped, by cause, with the last sender; not the fields that cost no answer."""
    out = []
    for one in [one for one in found if not one["answered"]][:5]:
        what = f"{one['protocol'].upper()} packet{'s' if one['count'] != 1 else ''}"
        out.append(f"  {one['count']} {what} dropped, the last of {one['who']}: {one['fault']}")
    return out


def floods(found: Sequence[dict[str, Any]], hushed: int = 0) -> list[str]:
    """Who sends so much that some of it is dropped, the worst first, and how much of strangers is not in the journal."""
    out = []
    for one in found[:5]:
        out += [f"  {one['sentence']}", f"    try: {one['advice']}"]
    if hushed:
        out.append(f"  {hushed} events of machines that are no nodes have no row in the journal: they were too many")
    return out


def reason(head: str, why: Why) -> str:
    return f"{head}{why.sentence}" + (f"\n{' ' * len(head)}try: {why.advice}" if why.advice else "")


def nodes(rows: Sequence[NodeRow], now: float) -> str:
    if not rows:
        return "no node yet: power on a machine that boots from the network"
    width = max(12, *(len(short(r.name)) for r in rows))
    out = [f"{'place':<8} {'node':<{width}} {'state':<20} {'last signal':<12} {'age':>6}  roles  runs"]
    for r in rows:
        done = f"{r.done}/{r.roles}"
        out.append(f"{r.place:<8} {short(r.name):<{width}} {r.state:<20} {r.signal:<12} {since(now, r.signal_at):>6}  {done:<5}  {r.runs}")
        if r.why is not None:
            out.append(f"{'':<9}{r.why.sentence}")
    return "\n".join(out)


def short(name: str) -> str:
    """First label of a host name."""
    return name.split(".")[0]


def roles(rows: Sequence[RoleRow]) -> str:
    out = [f"{'node':<14} {'role':<18} {'state':<11} why"]
    for r in rows:
        said = (*r.why, *r.findings)
        out.append(f"{short(r.node):<14} {r.role:<18} {r.state:<11} {said[0].sentence if said else ''}".rstrip())
    return "\n".join(out)


def told(row: dict[str, Any]) -> str:
    who = short(str(row.get("node") or row.get("mac") or ""))
    return f"{row['seq']:>7} {row['type']:<13} {who:<18} {row.get('text', '')}".rstrip()


def why_node(node: NodeRow, rows: Sequence[RoleRow], now: float, facts: Sequence[tuple[str, str]] = ()) -> str:
    heard = f"last signal {node.signal} {ago(now, node.signal_at)}" if node.signal_at else "no signal yet"
    told = heard if node.kind == "server" or node.signal_at else "a switch, found by LLDP" if node.kind == "device" else "this machine"
    out = [f"{node.name}: {node.state}, {told}, runs {node.runs or 'nothing known'}"]
    if node.why is not None:
        out.append(reason("  ", node.why))
    out += [f"  deployment {node.deployment} owns it"] if node.deployment not in ("", ROOT) else []
    out += [f"  {label}: {text}" for label, text in facts]
    for r in rows:
        if r.state != "active" or r.findings:
            out.append(f"  {r.role:<18} {r.state}")
            out += [f"    {w.sentence}" for w in (*r.why, *r.findings)]
    return "\n".join(out)


def carriers(found: Sequence[Carrier]) -> list[str]:
    """The networks of a node: addresses and what carries them, then a line for each link with its port and the reason."""
    out = []
    for one in found:
        out.append(f"  {one.network:<12} {'  '.join(part for part in (one.address or 'no address', one.v6, carrier_words(one)) if part)}")
        for link in one.links:
            far = f"hears {link.switch} {link.port}" if link.switch else "hears no switch"
            out += [f"    {link.link:<10} {link.name:<12} {link.mac}  {far}", f"    {'':<10} because {link.why}"]
        if one.refused is not None:
            out.append(reason("    ", one.refused))
        elif one.found_by:
            out.append(f"    {one.found_by}")
    return out


def disk_rows(disks: Sequence[Disk]) -> list[str]:
    """One line per disk: what it is and what it holds; and why it is not taken."""
    out = []
    for disk in disks:
        amount = f"{disk.size / 1e12:.1f} TB" if disk.size >= 1e12 else f"{disk.size / 1e9:.0f} GB" if disk.size else ""
        held = disk.use or (f"holds {disk.signature}" if disk.signature else "blank" if disk.size else "")
        state = f", {disk.state}" if disk.state else ""
        out.append(f"  {disk.name:<10} {disk.serial or disk.wwn or 'no serial':<24} {amount:>9}  {held}{state}".rstrip())
        out += [f"             not taken: {disk.why}"] if disk.why else []
    return out


def disks_seen(shown: NodePreview, now: float) -> str:
    """How old it is what is shown of the disks, and why it is not newer."""
    if shown.asked:
        return f"as the node reported {ago(now, shown.as_of, 'just now')}"
    old = f"as of {ago(now, shown.as_of)}" if shown.as_of else "not discovered yet"
    return f"{old}; not asked now: {sentence(shown.unseen)}" if shown.unseen is not None else old


def why_role(row: RoleRow) -> str:
    out = [f"{row.role} on {short(row.node)}: {row.state} (stage {row.stage}, deployment {row.deployment}, tries {row.tries})"]
    out += [reason("  ", w) for w in (*row.why, *row.findings)]
    return "\n".join(out)


def _layer(one: LayerRow, pointer: str) -> str:
    if not one.set:
        return f"not set; {one.how}"
    if one.fingerprint:
        value = f"sealed, fingerprint {one.fingerprint}"
    elif pointer and one.value is None:
        value = "a value with nothing at this place"
    else:
        value = json.dumps(one.value)
    at = f"  (set {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(one.at))})" if one.at else ""
    return value + at + ("  <- this counts" if one.wins else "")


def layers(told: Explained) -> str:
    """All layers of an attribute, weakest first: who set each, or how to set it."""
    name = f"{told.attribute}#{told.pointer}" if told.pointer else told.attribute
    out = [f"{name} for {told.role} on {short(told.node)}, weakest first:"]
    for one in told.layers:
        out.append(f"  {one.layer:<10} {one.by if one.set else one.scope:<24} {_layer(one, told.pointer)}")
    if not told.layer:
        out += ["  no layer has a value", *(f"    try: {how}" for how in told.ways)]
    if not told.reads:
        out.append(f"  {told.role} does not read this attribute")
    return "\n".join(out)
