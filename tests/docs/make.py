"""Writes the pages and pictures of `docs/` that come from the program's own tables: `make reference` and `make pictures`.

Names, types and defaults come from the code. SAYS holds the one sentence for each key; `test_docs_made` fails if a key has no sentence or a
page is not current.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "console")]

from crowbar_tui.console.choosable import CHOOSABLE, STARTS  # noqa: E402
from crowbar_tui.console.keymap import KEYS, PRESSABLE  # noqa: E402
from crowbar_tui.console.preferences import Preferences  # noqa: E402
from crowbar_tui.console.theme import NAMES  # noqa: E402
from engine import plan  # noqa: E402  (the path is set above)
from engine.files.catalog import shipped  # noqa: E402
from engine.files.plan_file import KEYS as PLAN_KEYS  # noqa: E402
from engine.racks.bmc.redfish_moods import ODDITIES  # noqa: E402
from engine.racks.scenario import ENVIRONMENTS, MOODS, QEMU_FAULTS, STAGES  # noqa: E402
from engine.racks.simulated.spec import Faults  # noqa: E402

MADE = "Made from the program's tables by `make reference`; do not edit it by hand.\n\n"

SAYS: dict[str, dict[str, str]] = {
    "plan": {
        "crowbar": "Version of this format: `1`. Required.",
        "site": "Name, domain and admin node of the site. Required.",
        "expect": "How many servers the rack has. A replay waits for them.",
        "approve": "Which disks an install may wipe.",
        "allocate": "`auto`: the engine allocates a discovered node that a rule matches. `ask`: the operator does it.",
        "networks": "Name -> network. `admin`, on which the servers boot, must be there. Required.",
        "racks": "A list of racks, with the cable plan.",
        "machines": "A list of the machines that the site expects. It tells which BMC belongs to which machine.",
        "rules": "A list. For each thing that a rule can set, the first rule that matches sets it.",
        "deployments": "Name -> deployment. They form a tree below `system`.",
        "attributes": "Attribute -> value, for all deployments.",
        "limits": "Resource (`jobs`, `uplink:tor1`) -> how many tasks may hold it at once.",
        "secrets": "Name -> `{env: VARIABLE}` or `{file: /PATH}`. The plan never holds the value itself.",
        "patience": "Factor on the engine's deadlines and pauses, 0.01 to 100. Use `2` for slow firmware. No deadline is under 5 s. Above 1 it lengthens the time limits of roles too.",
        "versions": "What the plan was saved with. `crowbar plan save` writes it.",
    },
    "console": {
        "keys": "Name of a key -> what you press instead.",
        "columns": "Page -> the columns of its list, in their order.",
        "theme": "A theme of the console. Default: what fits the terminal.",
        "start": "The page that opens first.",
        "mouse": "Whether the console begins with the mouse.",
    },
    "site": {
        "name": "A label for the site. Required.",
        "domain": "Domain of all host names.",
        "admin": "The admin node. Required.",
        "trust": "`confirmed`: a machine gets secrets when its BMC or an operator has confirmed it. `network`: every machine on the admin "
        "network gets them.",
    },
    "site.admin": {
        "interface": "The network interface that the engine serves.",
        "address": "IPv4 address of the admin node: inside network `admin`, outside its ranges. Required.",
    },
    "expect": {
        "nodes": "How many servers the rack has. 0: as many as come.",
        "within": "All servers must be ready within this time. 0: no limit.",
    },
    "approve": {
        "wipe": "`nothing`; `blank`: disks without a partition table or signature; `foreign`: disks that this installation did not write; "
        "`listed`: the serials under `disks`; `all`.",
        "disks": "Serial numbers, for `wipe: listed` only.",
    },
    "networks.NAME": {
        "subnet": "`192.168.124.0/24`, from /8 to /30. Two networks never overlap. Required.",
        "ranges": "Name -> `FIRST-LAST`. `dhcp`: for machines that boot. `host`: addresses that nodes keep.",
        "router": "An address in the subnet, outside the ranges. Or a map: `address`, `v6` (inside the `/64`, or link-local) and "
        "`preference` (1 to 65535). The default route of a node is by the router with the lowest preference.",
        "vlan": "1 to 4094. 0 is untagged.",
        "conduit": "Links by speed and number: `1g0`, `+10g0,+10g1` (10 Gbit/s or faster), `bmc`. Empty: the port that the node booted from.",
        "bond": "How several links work as one. Without it, `active-backup`.",
        "bridge": "`true`, or a name of at most 15 characters: a bridge that has the address. `true` is `br-NAME`.",
        "mtu": "Octets of the largest packet, 68 to 9216; with IPv6 at least 1280. 0: as the system has it.",
        "v6prefix": "A /64, or `auto`: a prefix of fd00::/8 that the engine makes for this installation.",
        "strangers": "`ignore`, or `lease`: the engine gives every machine that asks an address.",
        "dhcp": "`own`, or `proxy`: another server leases the addresses, and the engine only tells boot ROMs what to load.",
        "deployment": "The deployment that owns it. Only that one and those below it may use it. Empty: all may.",
    },
    "networks.NAME.bond": {
        "mode": "`802.3ad`, `active-backup`, `balance-rr`, `balance-xor`, `balance-tlb`, `balance-alb` or `broadcast`.",
        "hash": "What chooses the link of a frame: `layer2`, `layer2+3`, `layer3+4`, `encap2+3`, `encap3+4` or `vlan+srcmac`. Modes `802.3ad`, "
        "`balance-xor` and `balance-tlb` have one; without it, `layer2+3`.",
        "miimon": "Milliseconds between two looks at the links, 10 to 10000.",
        "lacp_rate": "`slow` or `fast`: how often the switch sends its LACP state, every 30 s or each second. Mode `802.3ad` has one; without it, `slow`.",
    },
    "racks": {
        "name": "Name of the rack. Required.",
        "units": "Height of the rack in units, 1 to 60.",
        "places": "Unit -> place.",
    },
    "racks.places.UNIT": {
        "height": "Units that the machine occupies, 1 to 20.",
        "cables": "A link of the node (`1g0`, `bmc`) -> `switch:port`.",
        "addresses": "Network -> the address that this node gets there. `crowbar plan save` writes them.",
        "outlets": "A list of PDU outlets, `PDU/OUTLET`, that feed the machine here. They power a machine without a BMC.",
        "expects": "The box that belongs here: fact -> condition, as in a rule's `match`, for example `{serial: SN7}`. A wrong box blocks a commit.",
    },
    "machines": {
        "serial": "Serial number of the machine, as on its label. Required.",
        "outlets": "A list of PDU outlets, `PDU/OUTLET`, that its supplies are plugged into. The place with these outlets is the machine's.",
        "bmc": "Its BMC. Required.",
    },
    "machines.bmc": {
        "mac": "MAC of the BMC. A machine that reports another one is not believed. The engine uses the address that it leased to this MAC.",
        "address": "The BMC's address, if the site gave it one. It counts like one that an operator entered.",
        "user": "User of the factory's account.",
        "password": "Name of one of the `secrets`: the factory's password. Role `bmc-account` then makes the engine's own account.",
    },
    "rules": {
        "match": "Fact -> value or condition. `{}` matches every node. Required.",
        "group": "Group that the node joins.",
        "name": "Host name, with the fields `{place}`, `{rack}`, `{serial}`, `{mac}` and `{number}`.",
        "deployment": "The deployment that owns the node. Deployments elsewhere in the tree do not select it. Without a rule: `system`.",
        "attributes": "Attribute -> value for the node.",
        "roles": "Role -> its settings. They bind no role. `crowbar plan save` writes them.",
    },
    "rules.roles.ROLE": {
        "attributes": "Attribute -> value that only this role of the node sees. The role must read it.",
    },
    "deployments.NAME": {
        "parent": "The deployment above it.",
        "attributes": "Attribute -> value for its roles.",
        "roles": "Role -> `all`, `admin`, `{group: NAME}`, `{node: NAME}`, or a list of these.",
    },
    "versions": {
        "plan": "Version of this format. Another one is refused. Required.",
        "barclamps": "Name -> barclamp.",
        "images": "Name -> SHA-256 of the image's list of checksums (`SHA256SUMS`).",
    },
    "versions.barclamps.NAME": {
        "version": "Its version. Required.",
        "sha256": "SHA-256 of its files, as `crowbar barclamp list --json` shows it.",
    },
    "facts": {
        "place": "Unit in the rack, from the cable plan and LLDP.",
        "rack": "Name of the rack, from the cable plan and LLDP.",
        "vendor": "Maker of the machine, as its firmware says.",
        "product": "Model of the machine, as its firmware says.",
        "family": "Vendor and product.",
        "serial": "Serial number.",
        "uuid": "UUID.",
        "mac": "MAC of the port that the machine booted from.",
        "arch": "Processor architecture.",
        "firmware": "`bios` or `efi`.",
        "memory": "Memory in MiB.",
        "cpus": "Number of processors, threads counted.",
        "disks.count": "Number of disks.",
        "disks.size": "Bytes of all disks together.",
        "nics.count": "Number of network ports.",
        "nics.speed": "Mbit/s of the fastest port.",
        "kexec": "Whether one kernel can start another on this machine.",
    },
    "faults": {
        "bmc": "Mood of its BMC; see below. Empty: the BMC works.",
        "drop_dhcp": "Percent of DHCP packets that are lost, in each direction.",
        "drop_tftp": "Percent of TFTP packets that are lost, in each direction.",
        "drop_http": "Percent of HTTP connections that are lost.",
        "drop_bmc": "Percent of BMC packets that are lost, in each direction.",
        "drop_ssh": "Percent of SSH connections that are lost.",
        "double_dhcp": "Percent of DHCP packets that arrive twice.",
        "double_tftp": "Percent of TFTP packets that arrive twice.",
        "late_dhcp": "Percent of DHCP packets that arrive 30 ms late, so that others overtake them.",
        "late_tftp": "Percent of TFTP packets that arrive 30 ms late, so that others overtake them.",
        "repeat_http": "Percent of HTTP calls whose answer is lost after the engine carried them out. The machine makes the call again.",
        "never_calls_back": "Its kernel starts, and the engine hears nothing from it.",
        "disk_fails": "Each write to any of its disks ends in an I/O error.",
        "disks_mb": "Sizes of its disks in MiB, in place of its own. `[]`: no disk. From the start only.",
        "dimms_out": "How many of its DIMMs are not seated. Its tools report their slots as empty.",
        "odd_disks": "Its bays report removable disks. A 4 GB eMMC and a LUN over four paths come before them. From the start only.",
        "bios_lies": "Its BIOS accepts each setting and changes nothing.",
        "updates": "What its BMC does with accepted firmware: `lies` (keeps the old one), `endless` (never ends), `forgets` (loses the task).",
        "raid_lies": "Its RAID controller accepts each order and makes no volume.",
        "wipe_lies": "Its disks accept each erase and keep their data.",
        "slow_disk": "Number of the disk that reads at a third of its siblings' speed; of a QEMU machine, at 4 MB/s. `-1`: none.",
        "lossy": "Link (`1g1`) -> percent of frames that its cable loses under load.",
        "ecc": "Label of a DIMM -> corrected errors that it has counted since the boot. QEMU: memory channel (`0` to `14`) -> 0, or any number for errors one after the other.",
        "mac_of": "Its first NIC has the MAC of that machine's first NIC. From the start only.",
        "serial_of": "It has the serial number of that machine. From the start only.",
        "uuid_of": "It has the UUID of that machine. From the start only.",
        "cables": "Link (`1g0`, `1g1`, `bmc`) -> `switch:port`, or empty for no cable.",
        "light": "Link (`1g1`) -> dBm that the optical module of its port receives. A port without an entry is copper.",
        "firmware_s": "Seconds of its self test, divided by the rehearsal's speed. 0: as its family has.",
        "stall_s": "Seconds that its self test takes besides, at any speed.",
        "work_s": "Seconds that each piece of a role's work takes besides, at any speed.",
        "boot_nic": "Number of the NIC that it boots from, 0 to 7.",
        "clock_s": "Seconds by which its clock is ahead until sledgehammer sets it. Negative: behind.",
        "bmc_address": "Address that its BMC has from the factory. Empty: one of the rack's network of BMCs.",
        "bmc_channel": "LAN channel (1 to 11) on which its BMC has its address. The channels before it have none.",
        "phone": "A telephone stands between its first NIC and the switch. LLDP hears both.",
        "no_lacp": "The switch does not speak LACP on the machine's ports.",
        "silent_devices": "Of `all` only: so many first requests to the management of each switch and SAN get no answer.",
        "no_vlan": "This VLAN (1 to 4094) does not pass on the machine's ports. 0: all do.",
        "frame_most": "The largest packet in octets that passes on the machine's ports. 0: any size.",
    },
    "scenario": {
        "scenario": "Version of this format: `1`. Required.",
        "patience": "Takes the place of the plan's `patience`, 0.01 to 100.",
        "faults": "Machine, or `all` -> faults from the start.",
        "dhcp_server": "A second DHCP server from the start: `{address, first, file}`. Simulated machines only.",
        "then": "A list of happenings: `when` or `after` or both, and `do`.",
    },
    "happening": {
        "when": "`{machine, reaches, percent}`: the first time that the machine (or each, with `all`) reaches that.",
        "after": "Seconds of real time after that, or after the rack was first powered on: `1.5s`, `2m`.",
        "do": "One action, or a list of actions.",
    },
    "actions": {
        "power": "`off`, `on` or `cycle`, as by the power cord.",
        "fault": "`{machine, FAULT: VALUE, ...}`: sets faults of the table below.",
        "swap": "`board`: another main board with another UUID, serial and MACs. `board-without-nics`: the MACs stay. Takes effect while the power is off.",
        "ssh": "`drop`: cuts the machine's SSH connections.",
        "dhcp_server": "`{address, first, file}`, or `off`: a second DHCP server. With `file` it names a boot file.",
        "machine": "The machine, if it is not the one that `when` names.",
    },
    "moods": {
        "obedient": "It works.",
        "lies": "It accepts each order and does nothing.",
        "slow": "It answers late. `slow:SECONDS` sets the delay.",
        "locked": "It refuses every login.",
        "dead": "It does not answer.",
    },
}
"""Table -> key -> what it says. The words are for people who have never seen the code."""

RECORDS: tuple[tuple[str, Any], ...] = (
    ("site", plan.Site),
    ("site.admin", plan.Admin),
    ("expect", plan.Expect),
    ("approve", plan.Approve),
    ("networks.NAME", plan.Network),
    ("networks.NAME.bond", plan.Bond),
    ("racks", plan.RackDef),
    ("racks.places.UNIT", plan.PlaceDef),
    ("machines", plan.ExpectedMachine),
    ("machines.bmc", plan.FactoryBmc),
    ("rules", plan.Rule),
    ("rules.roles.ROLE", plan.RoleSettings),
    ("deployments.NAME", plan.DeploymentDef),
    ("versions", plan.Versions),
    ("versions.barclamps.NAME", plan.BarclampPin),
)
"""Path of a map in the plan -> the record that the engine makes of it."""
BY_POSITION = {"networks.NAME": {"name", "router_v6", "preference"}, "deployments.NAME": {"name"}, "racks.places.UNIT": {"unit"}}
"""Fields that are the key of their map, so no key below it."""
SCENARIO_KEYS = ("scenario", "patience", "faults", "dhcp_server", "then")


def attributes() -> str:
    """`docs/attributes.md`: every attribute of the shipped barclamps, by barclamp."""
    catalog = shipped()
    gives = {name: role.name for role in catalog.roles.values() for name in role.gives}
    readers: dict[str, list[str]] = {}
    for role in catalog.roles.values():
        for want in role.wants:
            readers.setdefault(want.name, []).append(role.name)
    head = (
        "# Attributes\n\n" + MADE + "A role reads attributes and reports attributes. Set one with `crowbar set` or in the plan.\n"
        "`crowbar explain NODE ROLE ATTRIBUTE` shows where a value comes from. The schema is JSON Schema 2020-12.\n"
        "`NAME#/a/0` names one place in a map or list. [Operations](operations.md#settings-logs-revisions) explains both, and secrets.\n\n"
    )
    parts = []
    for barclamp in sorted({one.barclamp for one in catalog.attributes.values()}):
        parts.append(f"## {barclamp}\n\n")
        for name, one in catalog.attributes.items():
            if one.barclamp != barclamp:
                continue
            facts = [f"default `{_json(one.default)}`"] if one.default is not None and not one.generate else []
            facts += ["the engine makes it"] if one.generate else []
            facts += [f"reported by `{gives[name]}`"] if name in gives else []
            facts += ["read by " + ", ".join(f"`{role}`" for role in sorted(readers[name]))] if name in readers else []
            facts += [f"taken from `{one.source}{'#' if one.pointer else ''}{one.pointer}`"] if one.source else []
            facts += ["secret"] if one.secret else []
            parts.append(f"### `{name}`\n\n{one.description or ''}\n\n")
            parts.append("".join(f"* {fact}\n" for fact in facts) + f"\n```json\n{_json(one.schema)}\n```\n\n")
    return head + "".join(parts).rstrip("\n") + "\n"


def plan_keys() -> str:
    """`docs/plan-keys.md`: every key of a plan, with its kind and default."""
    parts = [
        "# Plan keys\n\n",
        MADE,
        "[The plan](plan.md) explains how they work together. A duration is `30s`, `15m`, `1h` or `2d`.\n\n",
        "## The plan itself\n\n",
        _table("plan", dict.fromkeys(PLAN_KEYS)),
    ]
    for path, record in RECORDS:
        parts += [f"## `{path}`\n\n", _table(path, dict(_fields(record, BY_POSITION.get(path, set()))))]
    kinds = {
        "number": "number: a value, or `{min, max, is}`",
        "text": "text: a value, or `{is, like}` with a shell pattern",
        "truth": "boolean",
    }
    parts += ["## Facts for `match`\n\n| fact | kind | |\n|---|---|---|\n"]
    parts += [f"| `{name}` | {kinds[kind]} | {SAYS['facts'][name]} |\n" for name, kind in plan.FACTS.items()]
    return "".join(parts)


def scenario_keys() -> str:
    """`docs/scenario-keys.md`: keys, faults, moods of BMCs, and the scenarios that are shipped."""
    faults = "".join(
        f"| `{name}` | {_default(default)} | {'both' if name in QEMU_FAULTS else 'simulated'} | {SAYS['faults'][name]} |\n"
        for name, default in _fields(Faults, set())
    )
    moods = "".join(f"| `{name}` | {SAYS['moods'][name]} |\n" for name in MOODS if name not in ODDITIES)
    oddities = "".join(f"| `{name}` | {one.does} | {one.seen} |\n" for name, one in ODDITIES.items())
    files = "".join(f"| `{file.stem}` | {_comment(file)} |\n" for file in sorted((ROOT / "crowbar_tui" / "scenarios").glob("*.yml")))
    return (
        "# Scenario keys\n\n"
        + MADE
        + "[Rehearsal racks](rehearsal.md) explains how to write a scenario.\n\n## The file\n\n"
        + _table("scenario", dict.fromkeys(SCENARIO_KEYS))
        + "## A happening (`then`)\n\n"
        + _table("happening", dict.fromkeys(SAYS["happening"]))
        + "## An action (`do`)\n\n"
        + _table("actions", dict.fromkeys(SAYS["actions"]))
        + "## What `reaches` can name\n\n"
        + f"* {', '.join(f'`{name}`' for name in ENVIRONMENTS)}: what the machine runs\n"
        + f"* {', '.join(f'`{name}`' for name in STAGES)}: the first role of that stage starts\n* a role: it starts, or has reached `percent`\n\n"
        + "## Faults\n\n| fault | default | machines | |\n|---|---|---|---|\n"
        + faults
        + "\n## Moods of a BMC\n\n| mood | what it does |\n|---|---|\n"
        + moods
        + "\nReal Redfish services have these oddities. A BMC that speaks IPMI ignores them.\n\n| mood | what it does | seen with |\n|---|---|---|\n"
        + oddities
        + "\n## Shipped scenarios\n\n| name | what happens |\n|---|---|\n"
        + files
    )


def console_keys() -> str:
    """`docs/console-keys.md`: what the user's set-up of the console may hold."""
    keys = "".join(f"| `{name}` | `{one.key.replace('|', chr(92) + '|')}` | {one.does} |\n" for name, one in KEYS.items())
    columns = "".join(f"| `{page}` | {', '.join(f'`{name}`' for name in names)} |\n" for page, names in CHOOSABLE.items())
    return (
        "# Keys and columns of the console\n\n"
        + MADE
        + "[Your own set-up](console.md#your-own-set-up) explains the file.\n\n## The file\n\n"
        + _table("console", dict(_fields(Preferences, set())))
        + f"Themes: {', '.join(f'`{name}`' for name in NAMES)}.\n\nPages for `start`: {', '.join(f'`{name}`' for name in STARTS)}.\n\n"
        + f"## Keys\n\nWhat you may press: {PRESSABLE}.\n"
        + "Enter, escape, arrows, page keys, tab, blank and digits stay where they are.\n\n| name | key | does |\n|---|---|---|\n"
        + keys
        + "\n## Columns\n\n| page | columns |\n|---|---|\n"
        + columns
    )


def _fields(record: Any, without: set[str]) -> Iterator[tuple[str, Any]]:
    """Name and default of each field that a person may write."""
    for one in msgspec.structs.fields(record):
        if one.name not in without:
            yield one.name, one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()


def _table(name: str, keys: dict[str, Any]) -> str:
    rows = "".join(f"| `{key}` | {_default(default)} | {SAYS[name][key]} |\n" for key, default in keys.items())
    return f"| key | default | |\n|---|---|---|\n{rows}\n"


def _default(value: Any) -> str:
    nothing = value is None or value is msgspec.NODEFAULT or isinstance(value, msgspec.Struct) or value in ("", {}, (), [])
    return "" if nothing else f"`{_json(value)}`"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _comment(file: Path) -> str:
    """The comment at the head of a scenario file, in one line."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "attributes.md": attributes,
    "plan-keys.md": plan_keys,
    "scenario-keys.md": scenario_keys,
    "console-keys.md": console_keys,
}


PICTURES: dict[str, tuple[str, tuple[int, int]]] = {
    "console": ("", (100, 24)),
    "console-nodes-80x24": ("", (80, 24)),
    "console-nodes-120x36": ("down down", (120, 36)),
    "console-rack-160x48": ("2 down down", (160, 48)),
    "console-topology-120x36": ("3", (120, 36)),
    "console-roles-160x48": ("4 down down down right right right right", (160, 48)),
}
"""Pictures of the console in `docs/pictures`: keys, and the size of the terminal."""


async def picture(name: str) -> str:
    """One of `PICTURES`: the console on the golden tests' rack with faults."""
    from driving import console, press, still

    keys, terminal = PICTURES[name]
    source, at = still("faulty")
    async with console(source, at, terminal, keys, "default") as (app, pilot):
        app.paint()
        await press(pilot, "")
        svg = app.export_screenshot(title="crowbar")
    local = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", svg)  # a reader's browser fetches no font
    return re.sub(r"terminal-\d+", "terminal-1", local)


def main(what: str) -> None:
    if what == "reference":
        for name, make in PAGES.items():
            (DOCS / name).write_text(make(), encoding="utf-8")
    elif what == "pictures":
        (DOCS / "pictures").mkdir(exist_ok=True)
        for name in PICTURES:
            (DOCS / "pictures" / f"{name}.svg").write_text(asyncio.run(picture(name)), encoding="utf-8")
    else:
        raise SystemExit("usage: python tests/docs/make.py reference|pictures")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
