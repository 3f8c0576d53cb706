"""Broken plans as people write them, byte for byte, each with its message: a golden table. `test_plan_file.py` has the mistakes of values."""

from __future__ import annotations

import gzip

PLAN = """\
crowbar: 1
site: {name: r07, domain: example.net, admin: {address: 10.0.0.10}}
networks:
  admin:
    subnet: 10.0.0.0/24
    router: 10.0.0.1
    ranges: {dhcp: 10.0.0.20-10.0.0.80, host: 10.0.0.100-10.0.0.200}
racks:
  - name: r07
    places:
      10: {cables: {1g0: "tor1:swp3"}}
rules:
  - {match: {}, group: compute, name: "node-{place}"}
deployments:
  cloud: {attributes: {target-os: debian-12}, roles: {ready: all}}
  more: {parent: cloud}
"""


def _in(old: str, new: str) -> bytes:
    assert old in PLAN
    return PLAN.replace(old, new, 1).encode()


_WHERE = "all, admin, {group: NAME} or {node: NAME}"
_YAML = "this is not YAML"

BROKEN: tuple[tuple[bytes, str], ...] = (
    # -- not a document
    (b"", "1: expected a document; the file is empty"),
    (b"# only a comment\n\n", "1: expected a document; the file is empty"),
    (b"---\n", "1: expected a document; the file is empty"),
    (
        b"- crowbar: 1\n",
        "1: expected a map with allocate, approve, attributes, crowbar, deployments, expect, limits, machines, networks, patience, racks, "
        "rules and 3 more, not a list",
    ),
    (PLAN.encode("utf-16"), "1: expected UTF-8 text; byte 0 is not"),
    (PLAN.encode() + b"# caf\xe9\n", "17: expected UTF-8 text; byte 454 is not"),
    (gzip.compress(PLAN.encode(), mtime=0), "1: expected UTF-8 text; byte 1 is not"),
    (PLAN.encode() + b"\0", f"17: {_YAML}: control characters are not allowed"),
    (PLAN.encode() + b"---\ncrowbar: 1\n", "17: expected one document; here a second one begins"),
    (PLAN.encode() + b"...\nmore: 1\n", f"18: {_YAML}: the document ended above: nothing may follow '...'"),
    # -- indentation and signs
    (_in("    subnet", "\tsubnet"), f"5: {_YAML}: a tab indents this line: use spaces"),
    (_in("    subnet", "  subnet"), f"6: {_YAML}: a key cannot stand here: check the indentation, and quote a text that contains ': '"),
    (_in("cloud: {att", "- cloud: {att"), f"16: {_YAML}: expected '- ' as in the list from line 15: check the indentation"),
    (_in("router: 10", "router:10"), f"6: {_YAML}: expected KEY: VALUE, with a colon and a space after it"),
    (_in("deployments:", "deployments"), f"14: {_YAML}: expected KEY: VALUE, with a colon and a space after it"),
    (_in('-{place}"', "-{place}"), f"13: {_YAML}: the quotation mark that opens here is never closed"),
    (
        _in('"node-{place}"', "node-{place}"),
        f"13: {_YAML}: the map {{...}} from line 13 goes wrong here: close it, and quote text with braces",
    ),
    (_in(".10}}", ".10}"), f"3: {_YAML}: the map {{...}} from line 2 goes wrong here: close it, and quote text with braces"),
    (
        _in("{parent: cloud}", "[cloud"),
        f"17: {_YAML}: the list [...] from line 16 goes wrong here: close it, and quote text with brackets",
    ),
    (_in("ready: all", "ready: *"), f"15: {_YAML}: '*' cannot begin a word: put it in quotes"),
    (_in("compute", "@compute"), f"13: {_YAML}: '@' cannot begin a word: put it in quotes"),
    (_in("{}", ""), "13: rules.0.match: expected a map from facts to values; {} matches every node, not nothing"),
    # -- what YAML can do, and a plan must not
    (b"a: &a [x, x]\nb: &b [*a, *a]\n", "1: anchors and aliases (& and *) are not allowed; repeat the text instead"),
    (_in("more: {", "more: {<<: *cloud, "), "16: anchors and aliases (& and *) are not allowed; repeat the text instead"),
    (_in("rules:", "rules: !include rules.yml\nx:"), "12: tags (!include) are not allowed"),
    (_in("rules:", "? [a]\n: b\nrules:"), "12: expected a word as key, not a list or a map"),
    (_in("rules:", "site: {name: r08}\nrules:"), "12: site: the key already exists, on line 2"),
    (_in("      10:", "      10: {}\n      10:"), "12: racks.0.places.10: the key already exists, on line 11"),
    (_in("debian-12}", "debian-12, x: " + "[" * 40 + "]" * 40 + "}"), "15: expected at most 32 levels"),
    # -- words and numbers that are not what they look like
    (_in("crowbar: 1", 'crowbar: "1"'), "1: crowbar: expected 1, not '1'"),
    (_in("crowbar: 1", "crowbar: 1\nexpect: {nodes: six}"), "2: expect.nodes: expected a whole number from 0 to 100000, not 'six'"),
    (
        _in("crowbar: 1", "crowbar: 1\nexpect: {nodes: 99999999999999999999}"),
        "2: expected a number of at most 18 digits; quote it if it is text",
    ),
    (_in("crowbar: 1", "crowbar: 1\nexpect: 6"), "2: expect: expected a map with nodes, within, not 6"),
    (_in("crowbar: 1", "crowbar: 1\npatience: .inf"), "2: patience: expected a number from 0.01 to 100, not '.inf'"),
    (_in("    router", "    vlan: 0x1000\n    router"), "6: networks.admin.vlan: expected a whole number from 0 to 4094, not 4096"),
    (_in("target-os: debian-12", "ntp-serve: yes"), "15: deployments.cloud.attributes.ntp-serve: expected true or false, not 'yes'"),
    (_in("target-os: debian-12", "target-os: "), "15: deployments.cloud.attributes.target-os: expected text, not nothing"),
    (_in("10.0.0.10}", "10.0.0.010}"), "2: site.admin.address: expected an IPv4 address, not '10.0.0.010'"),
    (_in("{ready: all}", "{ready: true}"), f"15: deployments.cloud.roles.ready: expected {_WHERE}, not true"),
    (
        _in("{ready: all}", '{ready: "group:compute"}'),
        f"15: deployments.cloud.roles.ready: expected {_WHERE}, not 'group:compute'; write {{group: compute}}",
    ),
    (
        _in("{ready: all}", '{ready: "node:node-10"}'),
        f"15: deployments.cloud.roles.ready: expected {_WHERE}, not 'node:node-10'; write {{node: node-10}}",
    ),
    (_in("{ready: all}", "[ready]"), "15: deployments.cloud.roles: expected a map from roles to nodes, not a list"),
    (_in("{parent: cloud}", "{parent: more}"), "16: deployments.more.parent: these deployments are each other's parents: more -> more"),
    (_in("{parent: cloud}", "{parent: }"), "16: deployments.more.parent: expected the name of a deployment, not nothing"),
    (_in("  more:", '  "a/b":'), "16: deployments.a/b: expected a deployment's name, not 'a/b'"),
    (_in("group: compute", "group: Compute"), "13: rules.0.group: expected a group's name, not 'Compute'"),
    (_in("match: {}", "match: {rack: r7}"), "13: rules.0.match.rack: unknown rack 'r7'; did you mean 'r07'?"),
    (_in("match: {}", "match: {firmware: uefi}"), "13: rules.0.match.firmware: unknown firmware 'uefi'; did you mean 'efi'?"),
    (_in("match: {}", "match: {memory: {gt: 64}}"), "13: rules.0.match.memory.gt: unknown key; known: is, max, min"),
    (_in("match: {}", "match: {memory: 64GB}"), "13: rules.0.match.memory: expected a number, not '64GB'"),
    (
        _in("match: {}", 'match: {mac: "52:54:00"}'),
        "13: rules.0.match.mac: expected a MAC address like 52:54:00:00:00:01, not '52:54:00'",
    ),
    (
        _in("target-os: debian-12", "hostname: web"),
        "15: deployments.cloud.attributes.hostname: the engine computes this attribute for each node, so a plan cannot set it",
    ),
    # -- addresses
    (
        _in("10.0.0.20-10.0.0.80", "10.0.0.20-80"),
        "7: networks.admin.ranges.dhcp: expected a range like 192.168.124.21-192.168.124.80, not '10.0.0.20-80'",
    ),
    (_in("10.0.0.20-10.0.0.80", "10.0.1.20-10.0.1.80"), "7: networks.admin.ranges.dhcp: 10.0.1.20 is not in 10.0.0.0/24"),
    (_in("10.0.0.0/24", "fd00::/64"), "5: networks.admin.subnet: expected a subnet like 192.168.124.0/24, not 'fd00::/64'"),
    (_in("10.0.0.0/24", "10.0.0.0"), "5: networks.admin.subnet: expected a subnet like 192.168.124.0/24, not '10.0.0.0'"),
    # -- secrets
    (
        _in("rules:", "secrets: {bmc-password: hunter2}\nrules:"),
        "12: secrets.bmc-password: a secret is a reference, {env: VARIABLE} or {file: PATH}, never the value itself",
    ),
    (_in("rules:", "secrets: [hunter2]\nrules:"), "12: secrets: expected a map, not a list"),
)
"""Bytes of the file -> the message, from the line on."""

RIGHT: tuple[bytes, ...] = (
    PLAN.encode(),
    b"\xef\xbb\xbf" + PLAN.encode(),
    PLAN.replace("\n", "\r\n").encode(),
    _in("10.0.0.20-10.0.0.80", "10.0.0.20 - 10.0.0.80"),
    _in("match: {}", 'match: {mac: "52-54-00-AA-00-01"}'),
    _in("match: {}", "match: {rack: r07, firmware: efi}"),
)
"""What editors of other systems write, and is right: a byte order mark, other line ends, spaces in a range, another spelling of a MAC."""
