"""The first plan of a site: turns the wizard's answers into a commented plan file. `plan_file.read` checks it, so a field is wrong here
exactly when it would be wrong in a file.

Answers are the typed text. A word is written plain if YAML reads it as that word, and quoted otherwise. So a typed text can make a value
wrong, but never change the rest of the file.

The proposals follow from the admin node's own address. They use the free space of its subnet, without the address, the router and the
first few addresses (which switches and the like often have). A third is for machines that boot, the rest for addresses that machines
keep.
"""

from __future__ import annotations

import json
import re
import textwrap
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from msgspec import Struct

from ..definitions import Catalog
from .mistakes import PlanError, PlanMistake
from .paths import shipped_plan
from .plan_file import read

NAME = "plan.yml"
CLOUDS = {
    "openstack-six": ("debian-13-controller", "debian-13-compute", "debian-13-storage"),
    "openstack-one": ("debian-13-cloud",),
}
"""As `Answers.system`: the shipped plan whose rules and deployments the new plan gets -> the images that these install."""
NO_SYSTEM = ""
"""As `Answers.system`: machines are discovered, and nothing is installed."""
LEFT_FREE = 10
"""Addresses at the low end that are not proposed, if there is room."""
WIDTH = 72
"""Columns of comments."""
MOST = 4096
"""Largest range that is proposed."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"})


class Answers(Struct, frozen=True, kw_only=True):
    """The answers, as typed. Empty: left out, if the key is optional."""

    name: str = ""
    domain: str = ""
    interface: str = ""
    address: str = ""
    subnet: str = ""
    dhcp: str = ""
    host: str = ""
    router: str = ""
    bmc_subnet: str = ""
    bmc_host: str = ""
    user_from: str = ""
    """`env`, `file`, or empty: the account's name is `admin`."""
    user: str = ""
    password_from: str = "env"
    password: str = "CROWBAR_BMC_PASSWORD"
    nodes: str = ""
    names: str = "node-{number}"
    wipe: str = "blank"
    allocate: str = "auto"
    system: str = "debian-12"


PATHS: dict[str, str] = {
    "name": "site.name",
    "domain": "site.domain",
    "interface": "site.admin.interface",
    "address": "site.admin.address",
    "subnet": "networks.admin.subnet",
    "dhcp": "networks.admin.ranges.dhcp",
    "host": "networks.admin.ranges.host",
    "router": "networks.admin.router",
    "bmc_subnet": "networks.bmc.subnet",
    "bmc_host": "networks.bmc.ranges.host",
    "user": "secrets.bmc-user",
    "password": "secrets.bmc-password",
    "nodes": "expect.nodes",
    "names": "rules.0.name",
    "wipe": "approve.wipe",
    "allocate": "allocate",
    "system": "deployments.cloud.attributes.target-os",
}
"""Field -> its place in the plan."""


def compose(a: Answers) -> str:
    """The text of the plan file."""
    lines = [
        *_said(
            "The goal for this rack. `crowbar plan check FILE` lists mistakes, `crowbar plan diff FILE` shows what a commit would change, "
            "`crowbar commit FILE` commits it. All keys: docs/plan.md."
        ),
        "crowbar: 1",
        "",
        *_site(a),
        *_machines(a),
        *_networks(a),
        *(_of_shipped(a.system) if a.system in CLOUDS else [*_rules(a), *_deployments(a)]),
        *_secrets(a),
    ]
    return "\n".join(lines) + "\n"


def _site(a: Answers) -> list[str]:
    return [
        *_said("This site, and the admin node: its interface to the rack, and its address there."),
        "site:",
        f"  name: {_word(a.name)}",
        *([f"  domain: {_word(a.domain)}"] if a.domain else []),
        f"  admin: {{{f'interface: {_word(a.interface)}, ' if a.interface else ''}address: {_word(a.address)}}}",
        "",
    ]


def _machines(a: Answers) -> list[str]:
    """How many servers are expected, which of their disks may be wiped, and who takes them."""
    if a.nodes and a.nodes != "0":
        expected = [
            *_said("The number of servers. The rack is done when all of them are ready."),
            f"expect: {{nodes: {_word(a.nodes)}}}",
            "",
        ]
    else:
        expected = [*_said("The number of servers. Without this line, any number."), "# expect: {nodes: 6}", ""]
    return [
        *expected,
        *_said(
            "Disks that may lose their data: nothing; blank (no partition table or signature); foreign (not written by this "
            "installation); listed (serials under `disks`); all."
        ),
        f"approve: {{wipe: {_word(a.wipe)}}}",
        "",
        *_said("auto: the engine takes a discovered machine that a rule below matches. ask: it waits for the operator."),
        f"allocate: {_word(a.allocate)}",
        "",
    ]


def _networks(a: Answers) -> list[str]:
    lines = [
        "networks:",
        *_said("Servers boot here. `dhcp`: addresses for machines that boot. `host`: addresses that they keep.", "  "),
        "  admin:",
        f"    subnet: {_word(a.subnet)}",
        *([f"    router: {_word(a.router)}"] if a.router else []),
        *_ranges({"dhcp": a.dhcp, "host": a.host}),
    ]
    if a.bmc_subnet:
        lines += [
            *_said("Management controllers.", "  "),
            "  bmc:",
            f"    subnet: {_word(a.bmc_subnet)}",
            "    conduit: bmc",
            *_ranges({"host": a.bmc_host}),
        ]
    return [*lines, ""]


def _of_shipped(name: str) -> list[str]:
    """The sections `rules` and `deployments` of a shipped plan, with the comments before them."""
    out: list[str] = []
    comment: list[str] = []
    inside = False
    for line in shipped_plan(name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment.append(line)
        elif line.startswith(" "):
            out += [line] if inside else []
        else:
            inside = line in ("rules:", "deployments:")
            out += [*comment, line] if inside else []
            comment = []
    return out


def _rules(a: Answers) -> list[str]:
    return [
        *_said(
            "The first rule that matches names a machine and puts it into a group, when it is taken. {} matches all. Facts to ask for: "
            "place, product, memory, disks.count and others."
        ),
        "rules:",
        f"  - {{match: {{}}, group: compute, name: {_word(a.names)}}}",
        "",
    ]


def _deployments(a: Answers) -> list[str]:
    lines = [
        *_said("Their roles and settings. `crowbar barclamp list` shows all roles."),
        "deployments:",
        "  cloud:",
    ]
    if a.system != NO_SYSTEM:
        lines += [f"    attributes: {{target-os: {_word(a.system)}}}", "    roles:"]
        lines += ["      network-admin: all", "      ntp-client: all", "      dns-client: all", "      ready: all"]
    else:
        lines += _said("No role yet, so machines are only discovered. To install them: {ntp-client: all, ready: all}", "    ")
        lines += ["    roles: {}"]
    return lines


def _secrets(a: Answers) -> list[str]:
    user = [f"  bmc-user: {{{a.user_from}: {_word(a.user)}}}"] if a.user_from and a.user else []
    secret = [f"  bmc-password: {{{a.password_from}: {_word(a.password)}}}"] if a.password_from and a.password else []
    if not user and not secret:
        return []
    told = "Sources of the secrets. Never write a value here: the engine reads it at each commit and keeps it sealed."
    return ["", *_said(told), "secrets:", *user, *secret]


def _said(text: str, indent: str = "") -> list[str]:
    """A comment, in lines that fit a screen of 80 columns."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_on_hyphens=False)


def _ranges(ranges: dict[str, str]) -> list[str]:
    told = [f"      {name}: {_word(text)}" for name, text in ranges.items() if text]
    return ["    ranges:", *told] if told else []


def _word(text: str) -> str:
    """The text as YAML must write it, so that it is read as this text (or as a number, if it is one)."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not text.endswith("-"):
        return text
    return json.dumps("".join(c if c.isprintable() else "?" for c in text), ensure_ascii=True)


def mistakes(a: Answers, catalog: Catalog) -> dict[str, str]:
    """Field -> its mistake, in the words of `crowbar plan check`. The key `` (empty) has the mistakes that belong to no field."""
    try:
        read(compose(a), NAME, catalog)
    except PlanError as error:
        out: dict[str, str] = {}
        for mistake in error.mistakes:
            out.setdefault(_field(mistake), told(mistake))
        return out
    return {}


def told(mistake: PlanMistake) -> str:
    """The mistake's words without its place."""
    return mistake.expected + (f"; did you mean {mistake.nearest!r}?" if mistake.nearest else "")


def _field(mistake: PlanMistake) -> str:
    for field, path in PATHS.items():
        if mistake.path == path or mistake.path.startswith(path + "."):
            return field
    return ""


# -- proposals ------------------------------------------------------------------------------------------------------


class Proposal(Struct, frozen=True, kw_only=True):
    """Networks that fit an address."""

    address: str
    subnet: str
    dhcp: str
    host: str
    bmc_subnet: str
    bmc_host: str


def propose(interface_address: str, router: str = "", taken: tuple[str, ...] = ()) -> Proposal | None:
    """Proposals from `ADDRESS/PREFIX` of the admin node's interface. `taken`: subnets of its other interfaces. None: not a usable
    address, or its subnet has no room."""
    try:
        own = IPv4Interface(interface_address)
    except ValueError:
        return None
    if own.network.prefixlen > 29 or own.network.prefixlen < 8:
        return None
    dhcp, host = _split(own.network, {own.ip, _address(router)})
    bmc = _next(own.network, [IPv4Network(one) for one in taken])
    bmc_host = _free(bmc, set()) if bmc is not None else None
    return Proposal(
        address=str(own.ip),
        subnet=str(own.network),
        dhcp=dhcp,
        host=host,
        bmc_subnet=str(bmc) if bmc is not None else "",
        bmc_host=_text(bmc_host[0], min(bmc_host[1], bmc_host[0] + MOST - 1)) if bmc_host is not None else "",
    )


def count(text: str) -> int:
    """Number of addresses in `FIRST-LAST`. 0: not a range."""
    first, _, last = text.partition("-")
    low, high = _address(first.strip()), _address(last.strip())
    return int(high) - int(low) + 1 if low is not None and high is not None and high >= low else 0


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _free(subnet: IPv4Network, used: set[IPv4Address | None]) -> tuple[int, int] | None:
    """The largest free span."""
    first, last = int(subnet.network_address) + 1, int(subnet.broadcast_address) - 1
    best: tuple[int, int] | None = None
    start = first
    for stop in [*sorted(int(a) for a in used if a is not None and a in subnet), last + 1]:
        if stop - start > (best[1] - best[0] + 1 if best is not None else 0):
            best = (start, stop - 1)
        start = stop + 1
    if best is None:
        return None
    room = best[1] - best[0] + 1
    skip = LEFT_FREE if room > 4 * LEFT_FREE else 0
    return (best[0] + skip, best[1] - skip)


def _split(subnet: IPv4Network, used: set[IPv4Address | None]) -> tuple[str, str]:
    span = _free(subnet, used)
    if span is None:
        return "", ""
    low, high = span
    room = high - low + 1
    if room < 2:
        return _text(low, high), ""
    boots = min(max(room // 3, 1), MOST)
    return _text(low, low + boots - 1), _text(low + boots, min(high, low + boots + MOST - 1))


def _next(subnet: IPv4Network, taken: list[IPv4Network]) -> IPv4Network | None:
    """The next free subnet of the same size."""
    size = subnet.num_addresses
    for step in (*range(1, 9), *range(-1, -9, -1)):
        start = int(subnet.network_address) + step * size
        if not 0x01000000 <= start <= 0xDF000000:
            continue
        found = IPv4Network((start, subnet.prefixlen))
        if found.is_private == subnet.is_private and not any(found.overlaps(one) for one in taken):
            return found
    return None


def _text(low: int, high: int) -> str:
    return f"{IPv4Address(low)}-{IPv4Address(high)}"


__all__ = ["CLOUDS", "NAME", "NO_SYSTEM", "PATHS", "Answers", "Proposal", "compose", "count", "mistakes", "propose"]
