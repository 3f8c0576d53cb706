"""Whom secrets may reach: what a claim is trusted by, which roles wait for that, and which credential of an installed system counts."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import disk_hello, hello
from catalogs import BIOS, INSTALL, INVENTORY, RAID, catalog, plan, role
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine import reasons
from engine.core.roles.attributes import inputs_hash
from engine.core.roles.claims import counts, trusted
from engine.core.roles.guards import blockers
from engine.definitions import Catalog
from engine.effects import Accept, Acknowledge, Probe, Refuse, Start, Welcome
from engine.events import Commit, Operate, Outcome, Started
from engine.model import Boot, Kind, PowerOff, State, Way
from engine.plan import Admin, Plan, Site
from engine.requests import Asker, Request
from engine.views.advice import next_step
from engine.views.facts import node_facts
from engine.views.summary import node_row, summary

FINGERPRINT = "0a1b-2c3d"
SECRETIVE = role("secretive", "hardware", wants=["password"])
AT_HOME = role("at-home", "hardware", "local", wants=["password"])


def catalog_with_secrets() -> Catalog:
    made = catalog(INVENTORY, BIOS, RAID, INSTALL, SECRETIVE, AT_HOME, defaults={"bios-wanted": {}, "raid-wanted": {}})
    secret = {name: replace(made.attributes[name], secret=True) for name in ("password", "credential")}
    return replace(made, attributes={**made.attributes, **secret})


ALL = catalog_with_secrets()
GIVES = {"installed": {"os": "debian-12", "disk": "sda", "root": "r"}, "ssh-host-key": "ssh-ed25519 AAAA"}


def site(trust: str = "confirmed") -> Plan:
    return plan({"os-install": ("all",)}, site=Site(name="r1", domain="r1.example.net", admin=Admin(address="10.0.0.1"), trust=trust))  # type: ignore[arg-type]


def claimed(trust: str = "confirmed", **fields: Any) -> WorldRig:
    """A node that is to be installed, in sledgehammer."""
    d = WorldRig(ALL, site(trust))
    values = {"stage": "install", "allocated": True, "claim": "h1", "fingerprint": FINGERPRINT}
    d.server(**{**values, **fields})
    for name in ("inventory", "bios-configure", "raid-configure"):
        d.role(name, state=State.ACTIVE, succeeded=True)
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
    d.role("os-install", state=State.WAITING, approved="op")
    return d


def confirm(d: WorldRig, value: Any = FINGERPRINT, node: str = "n1") -> Accept | Refuse:
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb="confirm", node=node, value=value))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


def installing() -> WorldRig:
    d = claimed(confirmed="operator")
    d.feed(Started(installation="x", admin="a"))
    return d


def outcome(d: WorldRig, what: str = "done", **more: Any) -> Outcome:
    leg = d.at("os-install")
    return Outcome(attempt=f"{leg.attempt}.{leg.leg}", node="n1", what=what, gives=GIVES, **more)  # type: ignore[arg-type]


# -- who is trusted ------------------------------------------------------------------------------------------------

BOOTING = Boot(generation=1, way=Way.NETWORK, environment="sledgehammer", ordered=True, at=0.0, deadline=1e6)


@pytest.mark.parametrize(
    ("trust", "fields", "is_trusted"),
    [
        ("confirmed", {}, False),
        ("confirmed", {"confirmed": "operator"}, True),
        ("confirmed", {"confirmed": "bmc"}, True),
        ("network", {}, True),
        ("confirmed", {"runs": "debian-12", "claim": ""}, True),
        ("confirmed", {"runs": "debian-12", "claim": "h1"}, False),
        ("confirmed", {"runs": "sledgehammer", "claim": ""}, False),
        ("confirmed", {"runs": "", "claim": ""}, False),
        ("confirmed", {"runs": "", "boot": BOOTING, "claim": ""}, False),
        ("network", {"runs": ""}, True),
        ("confirmed", {"kind": Kind.DEVICE}, True),
        ("confirmed", {"kind": Kind.JOINED}, True),
    ],
)
def test_who_is_trusted(trust: str, fields: dict[str, Any], is_trusted: bool) -> None:
    d = claimed(trust, **fields)
    assert trusted(d.world, d.node()) is is_trusted


def test_the_admin_node_is_trusted() -> None:
    d = claimed()
    assert trusted(d.world, d.node("admin"))


# -- what waits ----------------------------------------------------------------------------------------------------


def test_roles_with_a_secret_that_install_or_destroy_need_a_claim() -> None:
    assert ALL.needs_claim == {"secretive", "at-home", "os-install", "raid-configure"}
    assert ALL.credentialed == {"os-install"}


def test_an_install_waits_for_the_confirmation_and_starts_with_it() -> None:
    d = claimed()
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(Start)
    (why,) = blockers(d.world, d.at("os-install"))
    assert why == reasons.not_confirmed(node=d.node().name, fingerprint=FINGERPRINT, address=d.node().address or "an unknown address")
    assert f"confirm {FINGERPRINT}" in reasons.advice(why)
    assert isinstance(confirm(d), Accept)
    assert d.one(Start).role == "os-install"
    assert d.node().confirmed == "operator"


def test_roles_without_secrets_do_not_wait() -> None:
    d = claimed(stage="hardware")
    for name in ("raid-configure", "bios-configure"):
        d.change(role=name, state=State.WAITING, approved="op")
    d.feed(Started(installation="x", admin="a"))
    assert d.one(Start).role == "bios-configure"


def test_a_role_with_a_secret_waits_in_any_stage() -> None:
    d = claimed(stage="hardware")
    d.role("secretive", state=State.WAITING)
    assert [b.code for b in blockers(d.world, d.at("secretive"))] == ["not_confirmed"]
    confirm(d)
    assert d.one(Start).role == "secretive"


def test_a_secret_of_a_role_on_the_admin_node_waits_too() -> None:
    """It works for this machine, by what an unknown machine said of itself."""
    for trust, codes in (("confirmed", ["not_confirmed"]), ("network", [])):
        d = claimed(trust, stage="hardware", runs="", alive=False, claim="", fingerprint="")
        d.role("at-home", state=State.WAITING)
        assert [b.code for b in blockers(d.world, d.at("at-home"))] == codes


def test_a_node_that_is_not_allocated_says_that_first() -> None:
    d = claimed(stage="discovery", allocated=False)
    assert blockers(d.world, d.at("os-install"), first=True)[0].code == "not_allocated"


def test_a_commit_that_trusts_the_network_lets_all_go_on() -> None:
    d = claimed()
    d.feed(Commit(who="op", plan=site("network")))
    assert d.one(Start).role == "os-install"


# -- the operator's word -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [FINGERPRINT, "0A1B-2C3D", " 0a1b 2c3d ", "0a1b2c3d"])
def test_the_fingerprint_may_be_typed_in_any_form(typed: str) -> None:
    d = claimed()
    assert isinstance(confirm(d, typed), Accept)


@pytest.mark.parametrize("typed", ["", None, "0a1b", "0a1b-2c3e", "yes", 5, {"a": 1}, "0a1b-2c3d0", "\u0660a1b-2c3d"])
def test_another_fingerprint_is_refused(typed: Any) -> None:
    d = claimed()
    answer = confirm(d, typed)
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "wrong_fingerprint"
    assert set(answer.reason.fields.values()) <= {d.node().name, str(typed or "").strip() or "(none)"}, "the right one is not told"
    assert d.node().confirmed == ""


@pytest.mark.parametrize(
    "fields", [{"fingerprint": ""}, {"kind": Kind.DEVICE}, {"runs": ""}, {"boot": BOOTING, "runs": ""}, {"off": PowerOff(who="op")}]
)
def test_what_has_no_claim_cannot_be_confirmed(fields: dict[str, Any]) -> None:
    d = claimed(**fields)
    answer = confirm(d, d.node().fingerprint)
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "illegal"
    assert d.node().confirmed == ""


def test_a_confirmation_ends_with_the_next_claim() -> None:
    d = claimed(boot=replace(BOOTING, nonce="h2"), runs="", alive=False)
    d.feed(hello("b2", nonce="h2", fingerprint="4e5f-6071"))
    assert (d.node().fingerprint, d.node().confirmed) == ("4e5f-6071", "")
    assert isinstance(confirm(d), Refuse), "the fingerprint of the claim before"
    assert isinstance(confirm(d, "4e5f-6071"), Accept)
    d.change(boot=replace(BOOTING, nonce="h3"))
    d.feed(hello("b3", nonce="h3", fingerprint="8293-a4b5"))
    assert (d.node().fingerprint, d.node().confirmed) == ("8293-a4b5", "")


def test_the_same_claim_repeated_stays_confirmed() -> None:
    d = claimed(confirmed="operator")
    d.feed(hello("b1", nonce="h1", fingerprint=FINGERPRINT))
    assert d.one(Welcome)
    assert d.node().confirmed == "operator"


def test_no_second_nonce_shares_a_boot() -> None:
    """Whoever knows the boot_id would share the token of the confirmed claim."""
    d = claimed(confirmed="operator", boot=replace(BOOTING, nonce="h2"))
    before = d.node()
    d.feed(hello("b1", nonce="h2"))
    assert d.one(Refuse).reason.code == "second_claim"
    assert replace(d.node(), notice=None) == before


# -- attempts over a change of claims ------------------------------------------------------------------------------


def lost_and_back() -> WorldRig:
    """The node dies while it is being installed, and another claim comes."""
    d = installing()
    assert d.one(Start).role == "os-install"
    d.change(boot=replace(BOOTING, nonce="h2"), runs="", alive=False)
    d.change(role="os-install", resume=True)
    d.feed(hello("b2", nonce="h2", fingerprint="4e5f-6071"))
    return d


def test_a_suspended_install_is_not_resumed_by_another_claim() -> None:
    d = lost_and_back()
    assert not d.all(Start)
    assert blockers(d.world, d.at("os-install"), first=True)[0].code == "not_confirmed"
    confirm(d, "4e5f-6071")
    assert d.one(Start).resume


@pytest.mark.parametrize("what", ["done", "failed", "lost", "again"])
def test_the_result_of_another_claim_does_not_count_before_it_is_confirmed(what: str) -> None:
    d = lost_and_back()
    told = outcome(d, what)
    before = d.at("os-install")
    d.feed(told)
    assert not d.all(Acknowledge), "the node keeps it"
    assert d.at("os-install") == before
    assert (d.node().host_key, d.node().installation) == ("", "")
    assert d.node().notice == reasons.not_confirmed(node=d.node().name, fingerprint="4e5f-6071", address=d.node().address)
    confirm(d, "4e5f-6071")
    if what == "done":
        d.feed(told)
        assert d.one(Acknowledge)
        assert d.node().host_key == "ssh-ed25519 AAAA"


def test_a_restart_hands_no_secret_to_a_claim_of_an_older_version() -> None:
    """An earlier version started the attempt, and nothing has confirmed the claim: the engine asks, and sends nothing."""
    d = claimed()
    d.role("os-install", state=State.TRANSITION, attempt="i5-1", leg=1, begun=100.0, deadline=1e5)
    d.feed(Started(installation="x", admin="a"))
    assert d.one(Start).resume


# -- the credential ------------------------------------------------------------------------------------------------


def test_the_installation_is_the_attempt_that_installed_it() -> None:
    d = installing()
    attempt = d.at("os-install").attempt
    assert (d.node().installing, d.node().installation) == (attempt, "")
    d.feed(outcome(d))
    assert (d.node().installation, d.node().host_key) == (attempt, "ssh-ed25519 AAAA")


def test_a_verify_of_a_lost_attempt_finds_the_installation_of_that_attempt() -> None:
    d = installing()
    attempt = d.at("os-install").attempt
    d.feed(outcome(d, "lost"))
    assert (d.one(Start).action, d.node().installing) == ("verify", attempt)
    assert d.at("os-install").attempt != attempt
    d.feed(outcome(d))
    assert d.node().installation == attempt


INSTALLED = {"stage": "system", "runs": "", "alive": False, "claim": ""}
"""Name of a case -> fields of the node, installation in the credential, whether it counts."""
CREDENTIALS = [
    ({"installation": "i5-3", "installing": "i5-3"}, "i5-3", True),
    ({"installation": "i5-3", "installing": "i5-3"}, "i5-2", False),
    ({"installation": "i5-3", "installing": "i5-3"}, "", False),
    ({"installation": "i5-3", "installing": "i5-4"}, "i5-3", True),
    ({"installation": "i5-3", "installing": "i5-4"}, "i5-4", False),
    ({"installing": "i5-4"}, "", False),
    ({"installing": "i5-4"}, "i5-4", False),
    ({}, "", True),
    ({}, "i5-1", False),
]


@pytest.mark.parametrize(("fields", "shown", "is_good"), CREDENTIALS)
def test_which_credential_counts(fields: dict[str, Any], shown: str, is_good: bool) -> None:
    d = claimed(**{**INSTALLED, **fields})
    before = d.node()
    d.feed(replace(disk_hello("b9"), installation=shown))
    if is_good:
        assert d.one(Welcome)
        assert (d.node().runs, d.node().boot_id) == ("debian-12", "b9")
        return
    assert d.one(Refuse).reason == reasons.old_credential(node=before.name)
    assert replace(d.node(), notice=None) == before


def test_the_credential_of_an_attempt_whose_result_is_open_counts() -> None:
    d = installing()
    attempt = d.at("os-install").attempt
    assert counts(d.world, d.node(), attempt)
    d.feed(outcome(d, "failed", failure=reasons.no_plan()))
    assert not counts(d.world, d.node(), attempt)


@pytest.mark.parametrize("environment", ["sledgehammer"])
def test_a_credential_is_for_no_environment_in_memory(environment: str) -> None:
    d = claimed(**{**INSTALLED, "installation": "i5-3"})
    before = d.node()
    d.feed(replace(disk_hello("b9", environment), installation="i5-3"))
    assert d.one(Refuse).reason == reasons.memory_credential(environment=environment)
    assert replace(d.node(), notice=None) == before


@pytest.mark.parametrize(
    ("fields", "said", "code"),
    [
        ({"stage": "system", "runs": "debian-12", "claim": ""}, {"macs": (mac(7),)}, "copied_credential"),
        ({"confirmed": "operator"}, {}, "second_claim"),
        ({"confirmed": "operator"}, {"macs": (mac(7),)}, "copied_credential"),
    ],
)
def test_a_call_that_contradicts_the_live_system_asks_and_changes_nothing(fields: dict[str, Any], said: dict[str, Any], code: str) -> None:
    d = claimed(**{"installation": "i5-3", **fields})
    before = d.node()
    d.feed(replace(disk_hello("b9"), installation="i5-3", **said))
    assert d.one(Refuse).reason.code == code
    assert d.one(Probe)
    assert replace(d.node(), notice=None, probe=0, probes=before.probes) == before


@given(
    st.sampled_from(["", "i5-1", "i5-2", "i5-3"]),
    st.sampled_from(["", "i5-2"]),
    st.sampled_from(["", "i5-2", "i5-3"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["debian-12", "sledgehammer"]),
)
def test_only_one_installation_ever_changes_a_node(
    shown: str, installation: str, installing: str, alive: bool, same_ports: bool, environment: str
) -> None:
    d = claimed(stage="system", runs="debian-12", claim="", alive=alive, installation=installation, installing=installing)
    before = d.node()
    d.feed(replace(disk_hello("b9", environment), installation=shown, macs=(mac(1 if same_ports else 7),)))
    good = environment == "debian-12" and (same_ports or not alive) and counts(d.world, before, shown)
    assert bool(d.all(Welcome)) is good
    if not good:
        assert replace(d.node(), notice=None, probe=0, probes=0, missed=0) == replace(before, missed=0)


# -- what is shown -------------------------------------------------------------------------------------------------


def test_the_next_step_is_to_compare_the_fingerprint() -> None:
    d = claimed()
    found = next_step(d.world)
    assert (found.kind, found.verb, found.many, found.human) == ("confirm", "confirm", 1, True)
    assert found.text == f"n1: press f if the machine's own screen shows {FINGERPRINT}"
    d.change(confirmed="bmc")
    assert next_step(d.world).kind == "wait"


@pytest.mark.parametrize(
    ("trust", "fields", "told"),
    [
        ("confirmed", {}, [f"fingerprint {FINGERPRINT}: press f if its own screen shows the same"]),
        ("confirmed", {"confirmed": "bmc"}, [f"fingerprint {FINGERPRINT}, confirmed by its BMC"]),
        ("confirmed", {"confirmed": "operator"}, [f"fingerprint {FINGERPRINT}, confirmed by an operator"]),
        ("confirmed", {"fingerprint": ""}, []),
        ("network", {}, []),
    ],
)
def test_a_node_tells_of_its_claim(trust: str, fields: dict[str, Any], told: list[str]) -> None:
    d = claimed(trust, **fields)
    assert [text for label, text in node_facts(d.world, d.node()) if label == "claim"] == told
    row = node_row(d.world, d.node())
    assert (row.fingerprint, row.confirmed) == (d.node().fingerprint, d.node().confirmed)
    assert summary(d.world).trust == trust
