"""Plans: the shipped ones and the one of the plan reference, and for each kind of mistake its one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from engine.definitions import AttributeDef, Catalog, Requirement, RoleDef
from engine.files.catalog import shipped
from engine.files.mistakes import LIMIT
from engine.files.paths import shipped_folder
from engine.files.plan_file import PlanError, read, read_file, write
from engine.plan import Plan, Range
from engine.wire.reach import Reach

PLANS = shipped_folder("crowbar_tui") / "plans"

REFERENCE = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, admin: {interface: eth1, address: 192.168.124.10}}
expect: {nodes: 6, within: 30m}
approve: {wipe: blank}                 # blank (no partition table or signature) | foreign | listed | all
networks:
  admin:
    subnet: 192.168.124.0/24
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
    v6prefix: auto
    strangers: ignore                  # or: lease (anything that asks gets an address)
  bmc: {subnet: 192.168.125.0/24, ranges: {host: 192.168.125.21-192.168.125.160}}
racks:
  - name: r07
    units: 42
    places:                            # the cable plan: which of a node's links is in which port
      10: {cables: {1g0: "tor1:swp3", bmc: "mgmt:3"}}
      12: {height: 2, cables: {1g0: "tor1:swp4"}}
rules:                                 # first match wins, per thing that a rule sets; evaluated at allocation, and recorded
  - {match: {disks.count: {min: 8}}, group: store, name: "store-{place}"}
  - {match: {}, group: compute, name: "node-{place}"}
deployments:
  cloud:
    parent: system
    attributes: {target-os: debian-12}
    roles: {ntp-client: all, swift-storage: {group: store}}
limits: {jobs: 64}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""

EIGHT_LINES = """\
crowbar: 1
site: {name: r07, admin: {address: 192.168.124.10}}
approve: {wipe: blank}
networks:
  admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}}
rules: [{match: {}, name: "node-{serial}"}]
deployments:
  cloud: {roles: {ready: all}}
"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """What is shipped, with the role of the plan reference that is not."""
    whole = shipped()
    swift = RoleDef(name="swift-storage", barclamp="swift", stage="system", jig="script", requires=(Requirement(role="network-admin"),))
    fabric = RoleDef(name="fabric", barclamp="swift", stage="system", jig="noop", requires=(Requirement(role="network-storage"),))
    free = AttributeDef(name="free", path="free", schema={})
    password = AttributeDef(name="password", path="password", schema={}, secret=True)
    return structs.replace(
        whole,
        roles={**whole.roles, "swift-storage": swift, "fabric": fabric},
        attributes={**whole.attributes, "free": free, "password": password},
    )


def test_the_reference(catalog: Catalog) -> None:
    plan = read(REFERENCE, "plan.yml", catalog)
    assert plan.site.admin.interface == "eth1"
    assert (plan.expect.nodes, plan.expect.within) == (6, 1800.0)
    assert plan.networks["admin"].ranges["dhcp"] == Range(first="192.168.124.21", last="192.168.124.80")
    assert plan.networks["admin"].v6prefix == "auto"
    assert [(place.unit, place.height) for place in plan.racks[0].places] == [(10, 1), (12, 2)]
    assert plan.racks[0].places[0].cables == {"1g0": "tor1:swp3", "bmc": "mgmt:3"}
    assert plan.rules[0].match == {"disks.count": {"min": 8}}
    assert plan.deployments["cloud"].roles == {"ntp-client": ("all",), "swift-storage": ("group:store",)}
    assert plan.secrets == {"bmc-password": {"env": "CROWBAR_BMC_PASSWORD"}}
    assert read(write(plan), "again", catalog) == plan


def test_eight_lines(catalog: Catalog) -> None:
    plan = read(EIGHT_LINES, "plan.yml", catalog)
    assert plan.site.domain == "local"
    assert plan.limits == {"jobs": 64}
    assert plan.allocate == "auto"
    assert plan.site.trust == "confirmed"
    assert read(write(plan), "again", catalog) == plan


@pytest.mark.parametrize("name", ["one-node", "six-nodes"])
def test_shipped_plans(name: str) -> None:
    plan = read_file(PLANS / f"{name}.yml", shipped())
    assert read(write(plan), "again", shipped()) == plan
    admin, bmc = plan.networks["admin"], plan.networks["bmc"]
    assert min(len(admin.ranges["dhcp"]), len(admin.ranges["host"]), len(bmc.ranges["host"])) > 1200
    assert plan.approve.wipe == "blank"
    reach = Reach(7, [network.subnet for network in plan.networks.values()])
    for network in plan.networks.values():
        for one in network.ranges.values():
            assert reach.back(reach(one.last, 22)[0]) == one.last


def test_six_nodes_have_two_switches_and_three_groups() -> None:
    plan = read_file(PLANS / "six-nodes.yml", shipped())
    ports = {port for place in plan.racks[0].places for port in place.cables.values()}
    assert {port.partition(":")[0] for port in ports} == {"tor1", "tor2", "mgmt"}
    assert {rule.group for rule in plan.rules} == {"store", "control", "compute"}
    assert len(plan.racks[0].places) == 6


def test_selectors(catalog: Catalog) -> None:
    text = EIGHT_LINES.replace("ready: all", "ready: [{node: n-1}, {group: x}, admin], fabric: all").replace(
        "{serial}", '{serial}", group: "x'
    )
    text = text.replace("networks:\n", "networks:\n  storage: {subnet: 10.0.0.0/24}\n")
    plan = read(text, "plan.yml", catalog)
    assert plan.deployments["cloud"].roles == {"ready": ("node:n-1", "group:x", "admin"), "fabric": ("all",)}


# -- mistakes -----------------------------------------------------------------------------------------------------

BASE = """\
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


def mistakes(text: str, catalog: Catalog) -> list[str]:
    with pytest.raises(PlanError) as caught:
        read(text, "plan.yml", catalog)
    assert len(caught.value.mistakes) >= 1
    return str(caught.value).splitlines()


def test_the_base_is_right(catalog: Catalog) -> None:
    assert isinstance(read(BASE, "plan.yml", catalog), Plan)


CASES: list[tuple[str, str, str]] = [
    ("ranges:", "rangs:", "7: networks.admin.rangs: unknown key; did you mean 'ranges'?"),
    ("crowbar: 1", "crowbar: 2", "1: crowbar: expected 1, not 2"),
    ("crowbar: 1\n", "", "1: expected the key 'crowbar', which is missing"),
    ("networks:", "network:", "3: network: unknown key; did you mean 'networks'?"),
    ("name: r07, domain", "name: R07, domain", "2: site.name: expected a site's name, not 'R07'"),
    ("example.net", "example..net", "2: site.domain: expected a domain in lower case, not 'example..net'"),
    ("10.0.0.10}", "10.0.0.256}", "2: site.admin.address: expected an IPv4 address, not '10.0.0.256'"),
    ("{address: 10.0.0.10}", "{}", "2: site.admin: expected the key 'address', which is missing"),
    ("{address: 10.0.0.10}", "10.0.0.10", "2: site.admin: expected a map with address, interface, not the word '10.0.0.10'"),
    ("10.0.0.10}", "10.1.0.10}", "5: networks.admin.subnet: the admin node's address 10.1.0.10 is not in 10.0.0.0/24"),
    (
        "10.0.0.10}",
        "10.0.0.0}",
        "5: networks.admin.subnet: the admin node's address 10.0.0.0 is the network's or the broadcast address of 10.0.0.0/24",
    ),
    ("10.0.0.10}", "10.0.0.20}", "7: networks.admin.ranges.dhcp: the admin node's address 10.0.0.20 is in this range"),
    (
        "10.0.0.10}",
        "10.0.0.1}",
        "6: networks.admin.router: router 10.0.0.1 is the admin node's address; leave the router out if the admin node does not route",
    ),
    (
        "10.0.0.0/24",
        "10.0.0.5/24",
        "5: networks.admin.subnet: expected a subnet like 192.168.124.0/24, not '10.0.0.5/24'; did you mean '10.0.0.0/24'?",
    ),
    (
        "10.0.0.0/24",
        "10.0.0.0/255.255.255.0",
        "5: networks.admin.subnet: expected a prefix length, not a mask, in '10.0.0.0/255.255.255.0'; did you mean '10.0.0.0/24'?",
    ),
    ("10.0.0.0/24", "10.0.0.0/31", "5: networks.admin.subnet: expected a subnet from /8 to /30, not '10.0.0.0/31'"),
    ("10.0.0.0/24", "ten", "5: networks.admin.subnet: expected a subnet like 192.168.124.0/24, not 'ten'"),
    ("router: 10.0.0.1", "router: 10.0.1.1", "6: networks.admin.router: router 10.0.1.1 is not in 10.0.0.0/24"),
    (
        "router: 10.0.0.1",
        "router: 10.0.0.255",
        "6: networks.admin.router: router 10.0.0.255 is the network's or the broadcast address of 10.0.0.0/24",
    ),
    ("router: 10.0.0.1", "router: 10.0.0.30", "7: networks.admin.ranges.dhcp: router 10.0.0.30 is in this range"),
    ("-10.0.0.80", "-10.0.0.19", "7: networks.admin.ranges.dhcp: the range ends before it begins: 10.0.0.20 is above 10.0.0.19"),
    ("-10.0.0.80", "-10.0.0.100", "7: networks.admin.ranges.host: range 10.0.0.100-10.0.0.200 overlaps range 'dhcp', 10.0.0.20-10.0.0.100"),
    ("-10.0.0.200", "-10.0.0.255", "7: networks.admin.ranges.host: 10.0.0.255 is the network's or the broadcast address of 10.0.0.0/24"),
    ("-10.0.0.200", "-10.0.1.200", "7: networks.admin.ranges.host: 10.0.1.200 is not in 10.0.0.0/24"),
    (
        "10.0.0.100-10.0.0.200",
        "10.0.0.100",
        "7: networks.admin.ranges.host: expected a range like 192.168.124.21-192.168.124.80, not '10.0.0.100'",
    ),
    (
        "    router",
        "    strangers: leese\n    router",
        "6: networks.admin.strangers: expected one of ignore, lease, not 'leese'; did you mean 'lease'?",
    ),
    ("    router", "    vlan: 4095\n    router", "6: networks.admin.vlan: expected a whole number from 0 to 4094, not 4095"),
    ("    router", "    conduit: eth0\n    router", "6: networks.admin.conduit: expected links like 1g0, +10g0,+10g1 or bmc, not 'eth0'"),
    ("    router", "    v6prefix: fd00::/48\n    router", "6: networks.admin.v6prefix: expected a /64, not 'fd00::/48'"),
    (
        "racks:",
        "  bmc: {subnet: 10.0.0.128/25}\nracks:",
        "8: networks.bmc.subnet: subnet 10.0.0.128/25 overlaps 10.0.0.0/24 of network 'admin'",
    ),
    ("  admin:\n", "  admim:\n", "3: networks: expected a network named 'admin', on which the servers boot; did you mean 'admim'?"),
    ("name: r07\n", "name: r 07\n", "9: racks.0.name: expected a rack's name, not 'r 07'"),
    ("      10:", "      50:", "11: racks.0.places.50: expected a unit from 1 to 42, not '50'"),
    ("      10:", "      010: {}\n      10:", "12: racks.0.places.10: the place at 10 already occupies unit 10"),
    ("      10:", "      9: {height: 2}\n      10:", "12: racks.0.places.10: the place at 9 already occupies unit 10"),
    (
        '"tor1:swp3"}',
        '"tor1:swp3"}, expects: {}',
        "11: racks.0.places.10.expects: expected a map from facts to values, like serial: SN7, not an empty map",
    ),
    ('"tor1:swp3"}', '"tor1:swp3"}, expects: {serial: 7}', "11: racks.0.places.10.expects.serial: expected text, not 7"),
    (
        '"tor1:swp3"}}',
        '"tor1:swp3"}, expects: {serial: S1}}\n      12: {expects: {serial: S1}}',
        "12: racks.0.places.12.expects: another place already expects the serial 'S1'",
    ),
    ("      10: {", "      42: {height: 2, ", "11: racks.0.places.42: it would end at unit 43, and the rack has 42 units"),
    ('"tor1:swp3"', "tor1", "11: racks.0.places.10.cables.1g0: expected switch:port, not 'tor1'"),
    ("{1g0:", "{eth0:", "11: racks.0.places.10.cables.eth0: expected a node's link like 1g0, 10g1 or bmc"),
    (
        "{1g0: ",
        '{1g1: "tor1:swp3", 1g0: ',
        "11: racks.0.places.10.cables.1g0: port tor1:swp3 already has a cable, at racks.0.places.10.cables.1g1",
    ),
    (
        "match: {},",
        "match: {}, roles: {ntp-clint: {attributes: {}}},",
        "13: rules.0.roles.ntp-clint: unknown role 'ntp-clint'; did you mean 'ntp-client'?",
    ),
    ("match: {},", "match: {}, roles: {ready: {}},", "13: rules.0.roles.ready: expected the key 'attributes', which is missing"),
    (
        "match: {},",
        "match: {}, roles: {ready: {attribute: {}}},",
        "13: rules.0.roles.ready.attribute: unknown key; did you mean 'attributes'?",
    ),
    (
        "match: {},",
        "match: {}, roles: {ntp-server: {attributes: {ntp-srve: true}}},",
        "13: rules.0.roles.ntp-server.attributes.ntp-srve: unknown attribute 'ntp-srve'; did you mean 'ntp-serve'?",
    ),
    (
        "match: {},",
        "match: {}, roles: {ntp-server: {attributes: {ntp-servers: [10.0.0.1]}}},",
        "13: rules.0.roles.ntp-server.attributes.ntp-servers: role 'ntp-server' does not read attribute 'ntp-servers';"
        " did you mean 'ntp-serve'?",
    ),
    (
        "match: {},",
        "match: {}, roles: {ntp-server: {attributes: {ntp-serve: 3}}},",
        "13: rules.0.roles.ntp-server.attributes.ntp-serve: expected true or false, not 3",
    ),
    (
        "match: {},",
        "match: {}, roles: {os-install: {attributes: {target-os: debain-12}}},",
        "13: rules.0.roles.os-install.attributes.target-os: unknown image 'debain-12'; did you mean 'debian-12'?",
    ),
    (
        "match: {},",
        "match: {}, roles: {network: {attributes: {}}},",
        "13: rules.0.roles.network: role 'network' is abstract and cannot be used: use network-NAME, with the name of a network",
    ),
    (
        "match: {},",
        "match: {}, roles: {fabric: {attributes: {}}},",
        "13: rules.0.roles.fabric: role 'fabric' requires 'network-storage', and there is no network 'storage'",
    ),
    ("rules:", "versions: {plan: 2}\nrules:", "12: versions.plan: plan format 2 is unknown: this program reads format 1"),
    ("rules:", "versions: {plan: x}\nrules:", "12: versions.plan: expected a whole number from 1 to 1000000, not 'x'"),
    ("rules:", "versions: {}\nrules:", "12: versions: expected the key 'plan', which is missing"),
    (
        "rules:",
        "versions: {plan: 1, barclamps: {ntp: {version: one}}}\nrules:",
        "12: versions.barclamps.ntp.version: expected a version like 1 or 2.0.1, not 'one'",
    ),
    (
        "rules:",
        "versions: {plan: 1, barclamps: {ntp: {version: 1, sha256: ab}}}\nrules:",
        "12: versions.barclamps.ntp.sha256: expected a SHA-256 of 64 hexadecimal digits, not 'ab'",
    ),
    ("rules:", "versions: {plan: 1, images: {A: b}}\nrules:", "12: versions.images.A: expected an image's name, not 'A'"),
    ("match: {},", "match: {disk.count: 3},", "13: rules.0.match.disk.count: unknown fact 'disk.count'; did you mean 'disks.count'?"),
    ("match: {},", "match: {cpus: {mn: 3}},", "13: rules.0.match.cpus.mn: unknown key; did you mean 'min'?"),
    ("match: {},", "match: {cpus: {min: many}},", "13: rules.0.match.cpus.min: expected a number, not 'many'"),
    ("match: {},", "match: {cpus: {min: 9, max: 3}},", "13: rules.0.match.cpus: min 9 is above max 3, so nothing matches"),
    ("match: {},", "match: {vendor: {min: 1}},", "13: rules.0.match.vendor.min: unknown key; known: is, like"),
    ("match: {},", "match: {vendor: 3},", "13: rules.0.match.vendor: expected text, not 3"),
    ("match: {}, group", "group", "13: rules.0: expected the key 'match', which is missing"),
    ("node-{place}", "node-{plce}", "13: rules.0.name: unknown field 'plce'; did you mean 'place'?"),
    (
        "node-{place}",
        "node-{place.__class__}",
        "13: rules.0.name: unknown field 'place.__class__'; known: mac, number, place, rack, serial",
    ),
    ("node-{place}", "node-{place!r}", "13: rules.0.name: expected {place} and nothing else in the braces"),
    ("node-{place}", "node-{place", "13: rules.0.name: expected a host name whose braces are closed, not 'node-{place'"),
    ("node-{place}", "node_{place}", "13: rules.0.name: expected a host name of a-z, 0-9 and -, at most 63 long, not 'node_{place}'"),
    ("{ready: all}", "{redy: all}", "15: deployments.cloud.roles.redy: unknown role 'redy'; did you mean 'ready'?"),
    (
        "{ready: all}",
        "{network: all}",
        "15: deployments.cloud.roles.network: role 'network' is abstract and cannot be used: use network-NAME, with the name of a network",
    ),
    (
        "{ready: all}",
        "{network-admn: all}",
        "15: deployments.cloud.roles.network-admn: unknown role 'network-admn'; did you mean 'network-admin'?",
    ),
    (
        "{ready: all}",
        "{fabric: all}",
        "15: deployments.cloud.roles.fabric: role 'fabric' requires 'network-storage', and there is no network 'storage'",
    ),
    (
        "{ready: all}",
        "{log-server: [admin, all]}",
        "15: deployments.cloud.roles.log-server: role 'log-server' runs only on the admin node: write log-server: admin",
    ),
    (
        "{ready: all}",
        "{monitor-server: {group: compute}}",
        "15: deployments.cloud.roles.monitor-server: role 'monitor-server' runs only on the admin node: write monitor-server: admin",
    ),
    (
        "{ready: all}",
        "{ready: al}",
        "15: deployments.cloud.roles.ready: expected all, admin, {group: NAME} or {node: NAME}, not 'al'; did you mean 'all'?",
    ),
    (
        "{ready: all}",
        "{ready: compute}",
        "15: deployments.cloud.roles.ready: expected all, admin, {group: NAME} or {node: NAME}; for the group write {group: compute}",
    ),
    (
        "{ready: all}",
        "{ready: {group: computer}}",
        "15: deployments.cloud.roles.ready.group: unknown group 'computer'; did you mean 'compute'?",
    ),
    ("{ready: all}", "{ready: {grup: compute}}", "15: deployments.cloud.roles.ready.grup: unknown key; did you mean 'group'?"),
    (
        "{ready: all}",
        "{ready: {group: compute, node: x}}",
        "15: deployments.cloud.roles.ready: expected either {group: NAME} or {node: NAME}",
    ),
    ("{ready: all}", "{ready: {node: A_b}}", "15: deployments.cloud.roles.ready.node: expected a node's host name, not 'A_b'"),
    ("{ready: all}", "{ready: []}", "15: deployments.cloud.roles.ready: expected at least one of all, admin, {group: NAME}, {node: NAME}"),
    ("{ready: all}", "{ready: [all, all]}", "15: deployments.cloud.roles.ready.1: this list already has it"),
    (
        "{target-os: debian-12}",
        "{target-oz: debian-12}",
        "15: deployments.cloud.attributes.target-oz: unknown attribute 'target-oz'; did you mean 'target-os'?",
    ),
    (
        "{target-os: debian-12}",
        "{raid-wanted: {level: raid11}}",
        "15: deployments.cloud.attributes.raid-wanted.level: expected one of raid0, raid1, raid10, jbod, none, not 'raid11'; did you mean 'raid1'?",
    ),
    (
        "{target-os: debian-12}",
        "{target-os: debian-99}",
        "15: deployments.cloud.attributes.target-os: unknown image 'debian-99'; did you mean 'debian-13'?",
    ),
    (
        "{target-os: debian-12}",
        "{target-os: windows}",
        "15: deployments.cloud.attributes.target-os: unknown image 'windows'; known: alma-9, debian-12, debian-13, debian-13-cloud, debian-13-compute, debian-13-controller, debian-13-storage, fedora-43, rocky-9, ubuntu-24.04",
    ),
    (
        "{target-os: debian-12}",
        "{target-os: rocky-9, install-method: preseed}",
        "15: deployments.cloud.attributes.target-os: unknown image for install-method preseed 'rocky-9'; known: debian-12, debian-13",
    ),
    ("{target-os: debian-12}", "{ntp-serve: perhaps}", "15: deployments.cloud.attributes.ntp-serve: expected true or false, not 'perhaps'"),
    ("{target-os: debian-12}", "{raid-wanted: {}}", "15: deployments.cloud.attributes.raid-wanted: {} should be non-empty"),
    ("{parent: cloud}", "{parent: clod}", "16: deployments.more.parent: unknown deployment 'clod'; did you mean 'cloud'?"),
    (
        "{attributes:",
        "{parent: more, attributes:",
        "15: deployments.cloud.parent: these deployments are each other's parents: cloud -> more -> cloud",
    ),
    (
        "  more:",
        "  system:",
        "16: deployments.system: system is the root of all deployments: give its attributes under the key 'attributes'",
    ),
    ("crowbar: 1", "crowbar: 1\nexpect: {nodes: -1}", "2: expect.nodes: expected a whole number from 0 to 100000, not -1"),
    ("crowbar: 1", "crowbar: 1\nexpect: {within: 30}", "2: expect.within: expected a duration like 30s, 15m, 1h or 2d, not 30"),
    (
        "crowbar: 1",
        "crowbar: 1\napprove: {wipe: everything}",
        "2: approve.wipe: expected one of nothing, blank, foreign, listed, all, not 'everything'",
    ),
    ("crowbar: 1", "crowbar: 1\napprove: {wipe: listed}", "2: approve: wipe: listed expects the disks' serials under the key 'disks'"),
    ("crowbar: 1", "crowbar: 1\napprove: {disks: [X]}", "2: approve.disks: a list of disks goes with wipe: listed"),
    ("crowbar: 1", "crowbar: 1\nlimits: {jobs: 0}", "2: limits.jobs: expected a whole number from 1 to 100000, not 0"),
    ("crowbar: 1", "crowbar: 1\nlimits: {Jobs: 1}", "2: limits.Jobs: expected a resource like jobs or uplink:tor1"),
    (
        "admin: {address: 10.0.0.10}}",
        "admin: {address: 10.0.0.10}, trust: netwrk}",
        "2: site.trust: expected one of confirmed, network, not 'netwrk'; did you mean 'network'?",
    ),
    ("crowbar: 1", "crowbar: 1\nallocate: aks", "2: allocate: expected one of auto, ask, not 'aks'; did you mean 'ask'?"),
    (
        "crowbar: 1",
        "crowbar: 1\nsecrets: {p: {evn: X}}",
        "2: secrets.p: a secret is a reference, {env: VARIABLE} or {file: PATH}, never the value itself; did you mean 'env'?",
    ),
    ("crowbar: 1", "crowbar: 1\nsecrets: {p: {env: 'a b'}}", "2: secrets.p.env: expected the name of an environment variable"),
    (
        "crowbar: 1",
        "crowbar: 1\nsecrets: {p: {file: passwords/bmc}}",
        "2: secrets.p.file: expected an absolute path: the engine reads it, and runs in another directory than yours",
    ),
    ("crowbar: 1", "crowbar: 1\ncrowbar: 1", "2: crowbar: the key already exists, on line 1"),
]


@pytest.mark.parametrize(("old", "new", "line"), CASES, ids=[line[:120] for _, _, line in CASES])
def test_one_mistake(catalog: Catalog, old: str, new: str, line: str) -> None:
    assert old in BASE
    assert mistakes(BASE.replace(old, new, 1), catalog) == [f"plan.yml:{line}"]


@pytest.mark.parametrize("fact", ["slot", "rack", "place"])
def test_a_place_expects_facts_of_the_machine_itself(catalog: Catalog, fact: str) -> None:
    [found] = mistakes(BASE.replace('"tor1:swp3"}', f'"tor1:swp3"}}, expects: {{{fact}: 3}}', 1), catalog)
    assert found.startswith(f"plan.yml:11: racks.0.places.10.expects.{fact}: unknown fact '{fact}'; known: arch, ")


@pytest.mark.parametrize(
    "where",
    [
        "secrets: {p: hunter2}",
        "secrets: {p: {env: X, value: hunter2}}",
        "secrets: {p: [hunter2]}",
        "secrets: {p: {value: hunter2}}",
        "attributes: {password: hunter2}",
        "secrets: {p: {env: 'hunter2 x'}}",
        'secrets: {p: {file: "hunter2\\n"}}',
    ],
)
def test_a_secret_is_refused_and_never_quoted(catalog: Catalog, where: str) -> None:
    found = mistakes(BASE + where + "\n", catalog)
    assert len(found) == 1
    assert "hunter2" not in found[0]


def test_all_mistakes_come_at_once_in_order_and_bounded(catalog: Catalog) -> None:
    text = BASE.replace("router: 10.0.0.1", "router: x").replace("{parent: cloud}", "{parent: x}").replace("place}", "plce}")
    found = mistakes(text, catalog)
    assert [line.split(":")[1] for line in found] == ["6", "13", "16"]
    many = BASE + "limits: {" + ", ".join(f"r{i}: 0" for i in range(100)) + "}\n"
    assert len(mistakes(many, catalog)) == LIMIT


def test_mistakes_are_records(catalog: Catalog) -> None:
    with pytest.raises(PlanError) as caught:
        read(BASE.replace("ranges:", "rangs:"), "plan.yml", catalog)
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.line, mistake.path, mistake.nearest) == ("plan.yml", 7, "networks.admin.rangs", "ranges")


def test_keys_of_strangers_do_no_harm(catalog: Catalog) -> None:
    (found,) = mistakes(BASE + '"\\e[31mred": 1\n', catalog)
    assert "\x1b" not in found
    (found,) = mistakes(BASE + "x" * 100_000 + ": 1\n", catalog)
    assert len(found) < 800


def test_what_is_no_plan(catalog: Catalog, tmp_path: Path) -> None:
    texts: list[Any] = ["", "[]", "3", "a: [", "- x"]
    for text in texts:
        assert mistakes(text, catalog)
    with pytest.raises(PlanError, match="No such file"):
        read_file(tmp_path / "none.yml", catalog)
