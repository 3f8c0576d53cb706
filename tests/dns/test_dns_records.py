"""The role dns-records with the real named: whatever the zones had, they end with exactly what is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dns_site import ADMIN, DOMAIN, ZONES, Records, Site, host, records
from hypothesis import given, settings
from hypothesis import strategies as st

LABELS = ("a", "b", "web", "node-1", "x" * 63)
ADDRESSES = [f"10.0.0.{n}" for n in (1, 20, 81, 200)]
Hosts = dict[str, tuple[str, str]]
Wanted = tuple[Hosts, dict[str, str]]

hosts = st.dictionaries(st.sampled_from(LABELS), st.integers(0, 3), max_size=4).map(
    # An address belongs to one node.
    lambda found: {
        label: (ADDRESSES[n], ADDRESSES[n].replace("10.0.", "10.1.")) for n, label in {n: label for label, n in found.items()}.items()
    }
)
aliases = st.dictionaries(st.sampled_from((*LABELS, "ntp", "a.b")), st.sampled_from((*LABELS, "admin", "git.example.org")), max_size=3)


def expected(wanted: Wanted, admin: str = "admin") -> dict[str, Records]:
    """Zone -> its records without SOA, found in another way than the role's."""
    nodes, names = wanted
    lines = [line for label, addresses in nodes.items() for line in host(label, *addresses)["value"]]
    lines += records(f"{admin}.{DOMAIN}", ADMIN)
    taken = {line.split()[0] for line in lines}
    for alias, target in names.items():
        name = f"{alias}.{DOMAIN}."
        data = f"{target}." if "." in target else f"{target}.{DOMAIN}."
        if name not in taken and name != data:
            lines.append(f"{name} CNAME {data}")
    out: dict[str, Records] = {zone: {(f"{zone}.", "NS", f"{admin}.{DOMAIN}.")} for zone in ZONES}
    for line in lines:
        name, kind, data = line.split()
        (zone,) = [zone for zone in ZONES if name.endswith(f".{zone}.")]
        out[zone].add((name, kind, data))
    return out


def has(site: Site) -> dict[str, Records]:
    return {zone: site.transfer(zone) for zone in ZONES}


def bring(site: Site, wanted: Wanted, **more: Any) -> None:
    nodes, names = wanted
    site.good("dns-records", dns={"hosts": [host(label, *addresses) for label, addresses in nodes.items()]}, dns_aliases=names, **more)


@settings(max_examples=6)
@given(steps=st.lists(st.tuples(hosts, aliases), min_size=2, max_size=4))
def test_any_sequence_ends_in_exactly_the_wanted_zones(served: Site, steps: list[Wanted]) -> None:
    for wanted in steps:
        bring(served, wanted)
    assert has(served) == expected(steps[-1])
    served.good("dns-records", "verify")


def test_a_name_that_was_an_alias_becomes_a_node_and_back(served: Site) -> None:
    """named would ignore a CNAME beside an address without a word."""
    one: Wanted = ({"a": ("10.0.0.81", "10.1.0.81")}, {"web": "a"})
    other: Wanted = ({"web": ("10.0.0.81", "10.1.0.81")}, {"a": "web"})
    for wanted in (one, other, one):
        bring(served, wanted)
        assert has(served) == expected(wanted)


def test_an_alias_with_the_name_of_a_node_is_left_out_and_named(served: Site) -> None:
    bring(served, ({"a": ("10.0.0.81", "10.1.0.81")}, {"a": "admin", "ntp": "admin", "b": "b"}))
    assert served.gives == {"dns-left-out": ["alias a: a node has that name", "alias b: it names itself"]}
    assert served.ask(f"ntp.{DOMAIN}") == [f"admin.{DOMAIN}.", ADMIN]


def test_the_same_again_sends_nothing(served: Site) -> None:
    bring(served, ({"a": ("10.0.0.81", "10.1.0.81")}, {}))
    before = served.ask(DOMAIN, "SOA")
    done = served.role("dns-records")
    assert (done.returncode, "added" in done.stdout) == (0, False)
    assert served.ask(DOMAIN, "SOA") == before


def test_only_the_difference_is_sent(served: Site) -> None:
    many = {f"n{n}": (f"10.0.0.{n}", f"10.1.0.{n}") for n in range(20, 40)}
    bring(served, (many, {}))
    done = served.role("dns-records", dns={"hosts": [host(label, *many[label]) for label in list(many)[1:]]})
    assert done.stdout.splitlines() == [
        "dns-records: 0.0.10.in-addr.arpa. 0 added, 1 deleted",
        "dns-records: 0.1.10.in-addr.arpa. 0 added, 1 deleted",
        f"dns-records: {DOMAIN}. 0 added, 2 deleted",
    ]


def test_more_than_one_message_can_hold(served: Site) -> None:
    """Names as long as they can be: 220 nodes in one zone are 440 records of 130 octets and more."""
    label = "n{:03}" + "-x" * 28
    many = {label.format(n): (f"10.0.0.{n}", f"10.1.0.{n}") for n in range(20, 240)}
    bring(served, (many, {}))
    assert has(served) == expected((many, {}))
    bring(served, ({}, {}))
    assert has(served) == expected(({}, {}))


def test_records_that_somebody_added_are_noticed_and_go(served: Site) -> None:
    bring(served, ({}, {}))
    update = f"server {ADMIN}\nzone {DOMAIN}\nupdate add stray.{DOMAIN} 60 TXT hello\nsend\n"
    assert served.inside(["nsupdate", "-k", str(served.state / "dns/key.conf")], update).returncode == 0
    looked = served.role("dns-records", "verify")
    assert looked.returncode == 1
    assert f"stray.{DOMAIN}. TXT" in looked.stderr
    served.good("dns-records")
    assert served.status(f"stray.{DOMAIN}") == "NXDOMAIN"


def test_addresses_of_ipv6_have_names_too(site: Site) -> None:
    zone = "1.0.0.0.a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa"
    site.good("dns-server", dns_zones=[DOMAIN, zone])
    name = f"web.{DOMAIN}"
    both = [*records(name, "10.0.0.81"), *records(name, "fd12:3456:789a:1::81")]
    site.good("dns-records", dns={"hosts": [{"node": name, "value": both}]})
    assert site.ask(name, "AAAA") == ["fd12:3456:789a:1::81"]
    assert site.ask("-x", "fd12:3456:789a:1::81") == [f"{name}."]
    assert site.gives["dns-left-out"] == [
        "10.0.0.10.in-addr.arpa. PTR: the site has no zone for it",
        "81.0.0.10.in-addr.arpa. PTR: the site has no zone for it",
    ]
    site.good("dns-records", "verify")


def test_the_admin_node_is_renamed(site: Site) -> None:
    """named keeps the last NS record of a zone, so the new one comes first."""
    site.good("dns-server")
    site.good("dns-records")
    new = records(f"boss.{DOMAIN}", ADMIN)
    site.good("dns-server", hostname="boss", dns_admin=new)
    site.good("dns-records", dns_name=f"boss.{DOMAIN}")
    assert has(site) == expected(({}, {}), admin="boss")


def test_without_named_it_says_what_to_do(tmp_path: Path) -> None:
    made = Site(tmp_path)
    try:
        done = made.role("dns-records")
        assert done.returncode == 2
        assert "is the role dns-server active?" in done.stderr
        assert not list(tmp_path.glob("tmp.*"))
    finally:
        made.close()
