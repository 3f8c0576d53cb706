"""The wizard's first plan: it is valid and has the answers, and each wrong answer is reported at its field."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.first_plan import CLOUDS, PATHS, Answers, compose, count, mistakes, propose
from engine.files.paths import shipped_plan

CATALOG = shipped()
FULL = Answers(
    name="r07",
    domain="r07.example.net",
    interface="eth1",
    address="192.168.124.10",
    subnet="192.168.124.0/24",
    dhcp="192.168.124.21-192.168.124.80",
    host="192.168.124.81-192.168.124.160",
    router="192.168.124.1",
    bmc_subnet="192.168.125.0/24",
    bmc_host="192.168.125.21-192.168.125.160",
    user_from="env",
    user="CROWBAR_BMC_USER",
    nodes="6",
)


def test_it_says_what_was_answered() -> None:
    plan = plan_file.read(compose(FULL), "plan.yml", CATALOG)
    assert (plan.site.name, plan.site.domain, plan.site.admin.interface) == ("r07", "r07.example.net", "eth1")
    assert plan.expect.nodes == 6
    assert plan.approve.wipe == "blank"
    assert len(plan.networks["admin"].ranges["dhcp"]) == 60
    assert plan.networks["bmc"].conduit == "bmc"
    assert plan.secrets == {"bmc-user": {"env": "CROWBAR_BMC_USER"}, "bmc-password": {"env": "CROWBAR_BMC_PASSWORD"}}
    assert plan.deployments["cloud"].attributes == {"target-os": "debian-12"}
    assert set(plan.deployments["cloud"].roles) == {"network-admin", "ntp-client", "dns-client", "ready"}


def test_what_is_not_wanted_is_not_there() -> None:
    few = replace(FULL, nodes="", router="", bmc_subnet="", password_from="", user_from="", system="", domain="", interface="")
    plan = plan_file.read(compose(few), "plan.yml", CATALOG)
    assert plan.expect.nodes == 0
    assert list(plan.networks) == ["admin"]
    assert not plan.secrets
    assert not plan.deployments["cloud"].roles


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_has_the_rules_and_roles_of_the_shipped_plan(name: str) -> None:
    answers = replace(FULL, system=name)
    assert mistakes(answers, CATALOG) == {}
    plan = plan_file.read(compose(answers), "plan.yml", CATALOG)
    shipped_one = plan_file.read(shipped_plan(name).read_text(), f"{name}.yml", CATALOG)
    assert plan.deployments == shipped_one.deployments
    assert plan.rules == shipped_one.rules
    assert plan.site.name == "r07"
    images = {str(one.attributes["target-os"]) for one in plan.rules if "target-os" in one.attributes}
    images |= {str(one.attributes["target-os"]) for one in plan.deployments.values() if "target-os" in one.attributes}
    assert images == set(CLOUDS[name])


@pytest.mark.parametrize("system", ["debian-12", *CLOUDS])
def test_it_is_commented_and_fits_a_screen(system: str) -> None:
    lines = compose(replace(FULL, system=system)).splitlines()
    assert sum(line.lstrip().startswith("#") for line in lines) > 12
    assert max(map(len, lines)) <= 76


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "R 07", "expected a site's name, not 'R 07'"),
        ("name", "", "expected a site's name"),
        ("domain", "Ex ample", "expected a domain in lower case"),
        ("address", "192.168.124", "expected an IPv4 address"),
        ("subnet", "192.168.124.5/24", "did you mean '192.168.124.0/24'?"),
        ("dhcp", "192.168.124.5-192.168.124.20", "the admin node's address 192.168.124.10 is in this range"),
        ("host", "192.168.124.81", "expected a range like"),
        ("router", "10.0.0.1", "router 10.0.0.1 is not in 192.168.124.0/24"),
        ("bmc_subnet", "192.168.124.0/25", "overlaps 192.168.124.0/24 of network 'admin'"),
        ("nodes", "six", "expected a whole number"),
        ("wipe", "al", "did you mean 'all'?"),
        ("names", "node-{plce}", "did you mean 'place'?"),
        ("password", "a b", "expected the name of an environment variable"),
        ("user", "9", "expected the name of an environment variable"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_in_the_words_of_plan_check(field: str, value: str, said: str) -> None:
    found = mistakes(replace(FULL, **{field: value}), CATALOG)
    assert said in found[field]
    with pytest.raises(plan_file.PlanError, match="plan.yml:[0-9]+: " + PATHS[field].partition(".")[0]):
        plan_file.read(compose(replace(FULL, **{field: value})), "plan.yml", CATALOG)


def test_what_is_right_has_no_mistakes() -> None:
    assert mistakes(FULL, CATALOG) == {}


@given(st.sampled_from(sorted(PATHS)), st.text(max_size=40))
def test_no_answer_makes_another_document(field: str, value: str) -> None:
    """Whatever is typed is that field's value, right or wrong; it cannot add a key, a comment or an anchor."""
    text = compose(replace(FULL, **{field: value}))
    try:
        plan = plan_file.read(text, "plan.yml", CATALOG)
    except plan_file.PlanError:
        return
    assert set(plan.networks) <= {"admin", "bmc"}
    assert len(plan.rules) == 1
    assert not plan.racks
    assert set(plan.secrets) <= {"bmc-user", "bmc-password"}


# -- proposals -------------------------------------------------------------------------------------------------------


@given(st.integers(8, 29), st.integers(0, 2**32 - 1), st.booleans())
def test_a_proposal_is_a_right_plan(prefix: int, seed: int, routed: bool) -> None:
    network = IPv4Interface((0x0A000000 | (seed & 0x00FFFFFF), prefix)).network
    own = network[1 + seed % (network.num_addresses - 2)]
    router = str(network[-2]) if routed and own != network[-2] else ""
    found = propose(f"{own}/{prefix}", router)
    assert found is not None
    own_bmc = {"bmc_subnet": found.bmc_subnet, "bmc_host": found.bmc_host}
    answers = replace(FULL, address=found.address, subnet=found.subnet, dhcp=found.dhcp, host=found.host, router=router, **own_bmc)
    assert mistakes(answers, CATALOG) == {}
    assert count(found.dhcp) > 0
    assert count(found.host) > 0


def test_the_ranges_leave_the_first_addresses_alone_where_there_is_room() -> None:
    found = propose("192.168.124.10/24", "192.168.124.1")
    assert found is not None
    first = IPv4Address(found.dhcp.partition("-")[0])
    assert int(first) & 0xFF == 21
    assert found.bmc_subnet == "192.168.125.0/24"


def test_a_bmc_network_that_somebody_has_is_not_proposed() -> None:
    found = propose("192.168.124.10/24", taken=("192.168.125.0/24",))
    assert found is not None
    assert found.bmc_subnet == "192.168.126.0/24"


@pytest.mark.parametrize("text", ["", "none", "192.168.124.10", "10.0.0.1/31", "300.1.1.1/24", "fe80::1/64"])
def test_nothing_is_proposed_for_what_is_no_address(text: str) -> None:
    found = propose(text)
    assert found is None or text == "192.168.124.10"
