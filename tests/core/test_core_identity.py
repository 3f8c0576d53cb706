"""Claims and identity: which machine says hello, and who is refused, with the reason where a person sees it."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import BOOTS, ask, disk_hello, hello, script
from catalogs import USUAL
from world_rig import WorldRig, mac, uuid

from engine import reasons
from engine.core.boot.identity import clean_serial, clean_uuid, identify, swapped
from engine.effects import BootNode, BootScript, Refuse, Start, Welcome
from engine.events import Hello
from engine.reasons import Reason


def met(number: int = 1, **fields: Any) -> WorldRig:
    """A machine without identity that has its boot script, nonce `h1`."""
    d = WorldRig(USUAL)
    d.feed(ask(number=number), script("h1", number))
    return d


def says(**fields: Any) -> Hello:
    return hello(**{"boot_id": "b1", **fields})


def test_a_hello_makes_a_node_with_its_discovery() -> None:
    d = met()
    d.feed(says())
    node = d.node()
    assert (node.uuid, node.serial, node.macs, node.boot_mac, node.identity) == (uuid(1), "SN1", (mac(1),), mac(1), "uuid")
    assert (node.runs, node.alive, node.boots, node.stage, node.allocated) == ("sledgehammer", True, 1, "discovery", False)
    assert d.one(Welcome).node == "n1"
    assert d.one(Start).node == "n1"
    assert d.world.sightings[mac(1)].node == "n1"
    assert d.world.sightings[mac(1)].boot is None


def test_the_same_machine_is_the_same_node() -> None:
    d = met()
    d.feed(says())
    d.feed(ask(), script("h2"))
    d.nobody_answers()
    d.feed(says(nonce="h2", boot_id="b2"))
    assert d.node().boot_id == "b2"
    assert len([n for n in d.world.nodes if n != "admin"]) == 1


def test_another_port_of_it_is_no_other_machine() -> None:
    d = met()
    d.feed(ask(number=2), script("h2", 2))
    d.feed(says(macs=(mac(1), mac(2))))
    assert d.world.sightings[mac(2)].node == "n1"
    assert d.world.sightings[mac(2)].boot is None
    assert d.node().macs == (mac(1), mac(2))


# -- claims --------------------------------------------------------------------------------------------------------


def test_the_same_boot_may_repeat_its_claim() -> None:
    d = met()
    d.feed(says())
    before = d.node()
    d.feed(says())
    assert d.one(Welcome).boot_id == "b1"
    assert d.node() == before


def test_a_second_claim_is_refused_and_shown() -> None:
    d = met()
    d.feed(says())
    d.feed(says(boot_id="b9"))
    assert d.one(Refuse).reason == reasons.second_claim(mac=mac(1))
    assert d.node().notice == reasons.second_claim(mac=mac(1))
    assert d.node().boot_id == "b1"


@pytest.mark.parametrize("nonce", ["", "never-given"])
def test_a_nonce_that_nobody_was_given_is_refused(nonce: str) -> None:
    d = met()
    d.feed(says())
    d.feed(says(nonce=nonce, boot_id="b9"))
    assert d.one(Refuse).reason == reasons.unknown_nonce()
    assert d.node().notice == reasons.unknown_nonce()


def test_an_old_nonce_is_worthless() -> None:
    d = met()
    d.feed(says())
    d.feed(ask(), script("h2"))
    d.nobody_answers()
    d.feed(says(nonce="h2", boot_id="b2"))
    d.feed(says(nonce="h1", boot_id="b1"))
    assert d.one(Refuse).reason == reasons.unknown_nonce()
    assert d.node().boot_id == "b2"


def test_the_same_boot_gets_the_same_nonce_again() -> None:
    d = met()
    d.feed(script("h2"))
    assert d.one(BootScript).nonce == "h1", "else whoever asks last could take the boot from the machine"
    d.feed(says(nonce="h2"))
    assert d.one(Refuse).reason == reasons.unknown_nonce()
    d.feed(says(nonce="h1"))
    assert d.one(Welcome)


def test_a_machine_that_does_not_have_the_mac_of_its_boot_is_refused() -> None:
    d = met()
    d.feed(says(macs=(mac(7),)))
    why = reasons.mac_not_listed(mac=mac(1), macs=mac(7))
    assert d.one(Refuse).reason == why
    assert d.world.sightings[mac(1)].reason == why
    assert "n1" not in d.world.nodes


def test_of_a_known_node_it_is_shown_on_the_node() -> None:
    d = met()
    d.feed(says())
    d.feed(ask(), script("h2"), says(nonce="h2", boot_id="b2", macs=(mac(7),)))
    assert d.node().notice == reasons.mac_not_listed(mac=mac(1), macs=mac(7))
    assert d.node().rumour is not None


def test_a_machine_that_reports_nothing_is_refused() -> None:
    d = WorldRig(USUAL)
    d.feed(ask(), script())
    d.feed(says(uuid="", serial="", macs=()))
    assert d.one(Refuse).reason.code == "mac_not_listed"


def test_an_installed_system_says_hello_with_its_credential() -> None:
    d = WorldRig(BOOTS)
    d.server(stage="system", runs="", alive=False)
    d.feed(disk_hello("b5"))
    assert (d.node().runs, d.node().boot_id, d.node().alive) == ("debian-12", "b5", False)
    assert d.one(Welcome).node == "n1"


def test_a_credential_of_nobody_is_refused() -> None:
    d = WorldRig(BOOTS)
    d.server()
    d.feed(hello("b5", "debian-12", nonce="", credential="n77"))
    assert d.one(Refuse).reason == reasons.bad_credential()
    assert d.node().notice == reasons.bad_credential()


# -- who it is -----------------------------------------------------------------------------------------------------

JUNK_SERIALS = [
    "",
    "0",
    "00000000",
    "None",
    "N/A",
    "To Be Filled By O.E.M.",
    "System Serial Number",
    "Default string",
    "123456789",
    "1234567890",
    "xxxxxxx",
    "..........",
    "Not Specified",
    "unknown",
    "AAAAAAAA",
    "  ",
    "O.E.M.",
    "0123456789",
    "Enter Serial",
    "Chassis Serial Number",
    "SerialNumber",
    "Undefined",
    "XXXXXXXXXX",
    "Serial Number xxxxxx",
    "SYS-1234567890",
    "SN-12345",
    "(null string)",
    "INVALID",
    "EVAL",
    "123456789000",
    "0123456789ABCDEF",
    "9876543210",
    "To Be Filled By O.E.M. by More String",
    "Not Specified by manufacturer",
    "System S/N",
    "Please enter serial number here",
    "\0\0\0",
    "To be defined by O.E.M",
    "N/A ",
    "none.",
    "1234",
    "12345678901234567",
]


@pytest.mark.parametrize("text", JUNK_SERIALS)
def test_junk_serials_identify_nobody(text: str) -> None:
    assert clean_serial(text) == ""


@pytest.mark.parametrize(
    "text", ["CZJ1234567", "7XK3LM2", "S123456X7890123", "2M201500AB", "SN1", "A0001", "NC4M5678", "SGH012345X", "E0F1D2C3"]
)
def test_real_serials_do(text: str) -> None:
    assert clean_serial(f" {text} ") == text


JUNK_UUIDS = [
    "",
    "Not Settable",
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "4c4c4544",
    "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee",
    "11111111-1111-1111-1111-111111111111",
    "01010101-0101-0101-0101-010101010101",
    "4c4c4544-0000-2010-8020-80c04f202020",
    "44454c4c-0000-1020-8020-80c04f202020",
    "4C4C4544-0020-2010-8020-A0C04F202020",
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "03020100-0504-0706-0809-0a0b0c0d0e0f",
    "00112233-4455-6677-8899-aabbccddeeff",
    "12345678-1234-1234-1234-123456789012",
]


@pytest.mark.parametrize("text", JUNK_UUIDS)
def test_junk_uuids_identify_nobody(text: str) -> None:
    assert clean_uuid(text) == ""


@pytest.mark.parametrize(
    "text", ["4c4c4544-0058-4b10-8033-b7c04f4c4d32", "00000000-0000-0000-0000-ac1f6b0a0b0c", uuid(1), swapped(uuid(1))]
)
def test_real_uuids_do(text: str) -> None:
    assert clean_uuid(text.upper()) == text


def test_what_identifies_is_the_uuid_then_the_serial_then_all_macs() -> None:
    for given, by in (((uuid(1), "SN1"), "uuid"), (("", "SN1"), "serial"), (("", "None"), "macs")):
        found = identify(*given, (mac(1),))
        assert found is not None
        assert found.by == by
    assert identify("", "", ()) is None


def test_swapping_is_its_own_inverse() -> None:
    assert swapped(uuid(1)) == "44454c4c-0100-0210-8003-000000000001"
    assert swapped(swapped(uuid(1))) == uuid(1)


def claim(known: dict[str, Any], said: dict[str, Any]) -> WorldRig:
    """A node of these properties is known; a machine of these, seen at MAC 9, says hello."""
    d = WorldRig(BOOTS)
    d.server(boot_id="b0", runs="", **known)
    d.feed(ask(number=9), script("h9", 9))
    d.feed(says(**{"nonce": "h9", "macs": (mac(9),), **said}))
    return d


ONE = {"uuid": uuid(1), "serial": "SN1"}


@pytest.mark.parametrize(
    ("known", "said", "what"),
    [
        (ONE, ONE, "unclear"),
        (ONE, {"uuid": swapped(uuid(1)), "serial": "SN1"}, "unclear"),
        (ONE, {**ONE, "macs": (mac(1), mac(9))}, "same"),
        (ONE, {"uuid": swapped(uuid(1)), "serial": "SN1", "macs": (mac(1), mac(9))}, "same"),
        (ONE, {"uuid": swapped(uuid(1)).upper(), "serial": "", "macs": (mac(1), mac(9))}, "same"),
        (ONE, {"uuid": "", "serial": "SN1", "macs": (mac(1), mac(9))}, "same"),
        ({"uuid": "", "serial": "SN1"}, {**ONE, "macs": (mac(1), mac(9))}, "same"),
        (ONE, {"uuid": swapped(uuid(1)).upper(), "serial": ""}, "unclear"),
        (ONE, {"uuid": "", "serial": "SN1"}, "unclear"),
        ({"uuid": "", "serial": "SN1"}, ONE, "unclear"),
        (ONE, {"uuid": uuid(2), "serial": "SN2"}, "new"),
        (ONE, {"uuid": uuid(2), "serial": "SN1"}, "new"),
        (ONE, {"uuid": uuid(1), "serial": "SN2"}, "new"),
        (ONE, {"uuid": uuid(1), "serial": "SN2", "macs": (mac(1), mac(9))}, "conflict"),
        (ONE, {"uuid": uuid(2), "serial": "SN1", "macs": (mac(1), mac(9))}, "conflict"),
        (ONE, {"uuid": uuid(2), "serial": "SN2", "macs": (mac(1), mac(9))}, "conflict"),
        (ONE, {"uuid": "", "serial": "None", "macs": (mac(9),)}, "new"),
        (ONE, {"uuid": "", "serial": "None", "macs": (mac(1), mac(9))}, "conflict"),
        ({"uuid": "", "serial": "", "identity": "macs", "macs": (mac(1), mac(8))}, {"uuid": "", "serial": ""}, "new"),
    ],
)
def test_whom_a_machine_is_taken_for(known: dict[str, Any], said: dict[str, Any], what: str) -> None:
    d = claim(known, said)
    if what in ("conflict", "unclear"):
        reason = d.one(Refuse).reason
        assert reason.code == {"conflict": "identity_conflict", "unclear": "same_or_not"}[what]
        assert d.world.sightings[mac(9)].reason == reason
        assert set(d.world.nodes) == {"admin", "n1"}
    else:
        assert not d.all(Refuse)
        assert d.world.macs[mac(9)] == {"same": "n1", "new": "n2"}[what]
        assert len(d.world.nodes) == (2 if what == "same" else 3)


def test_where_both_are_junk_the_full_set_of_macs_identifies() -> None:
    for macs, code in (((mac(1), mac(2)), ""), ((mac(1),), "identity_conflict"), ((mac(1), mac(2), mac(3)), "identity_conflict")):
        d = WorldRig(BOOTS)
        d.server(runs="", boot_id="b0", uuid="", serial="", identity="macs", macs=(mac(1), mac(2)))
        d.feed(ask(), script())
        d.feed(says(uuid="", serial="None", macs=macs))
        refused = [e.reason.code for e in d.all(Refuse)]
        assert refused == ([code] if code else [])


def test_two_nodes_at_once_are_a_conflict_for_a_person() -> None:
    d = WorldRig(BOOTS)
    d.server("n1", runs="")
    d.server("n2", runs="")
    d.feed(ask(number=9), script("h9", 9))
    d.feed(says(nonce="h9", uuid=uuid(1), serial="SN2", macs=(mac(9),)))
    assert d.one(Refuse).reason.code == "identity_conflict"
    assert isinstance(d.world.sightings[mac(9)].reason, Reason)
    assert not d.all(BootNode)


def test_the_machine_in_a_known_node_s_place_is_not_taken_for_it() -> None:
    """Its main board was changed: the MAC is known, UUID and serial are others."""
    d = met()
    d.feed(says())
    d.feed(ask(), script("h2"), says(nonce="h2", boot_id="b2", uuid=uuid(5), serial="SN5"))
    assert d.one(Refuse).reason.code == "identity_conflict"
    assert d.node().notice == d.one(Refuse).reason
