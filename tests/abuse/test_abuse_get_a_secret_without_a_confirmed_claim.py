"""The attacker's goal: to get what only a certain machine may have, or to make the engine trust a key of its own, by saying hello as that machine.

Everything that such a machine shows can be known: MAC, UUID, serial, address. The nonce of its boot can be read off the network. So the
attacker has a token, and the engine takes it for the node. The credential, other secrets and the pin of the host key wait all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from claimed_machine import GIVES, HOST_KEY, INSTALLED, Claimed, site

from engine.effects import Refuse
from engine.model import State

THEIRS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITheirKeyTheirKeyTheirKeyTheirKeyTheirKeyThe"


@pytest.fixture
def thief(tmp_path: Path) -> Iterator[Claimed]:
    """It said hello first, as the machine that the node is."""
    with site(tmp_path / "store") as engine:
        one = Claimed(engine, 1)
        one.boot("boot-of-the-thief")
        one.works()
        yield one


def test_no_task_with_the_credential_before_the_confirmation(thief: Claimed) -> None:
    assert thief.call("GET", "/agent/next?wait=1", token=thief.token).status == 204
    assert (thief.install.state, thief.install.attempt) == (State.WAITING, "")
    meta = thief.engine.world.meta
    for number in range(meta.attempts + 3):
        assert thief.task(f"{meta.installation}-{number}.1")[0] == 404
    assert thief.record.host_key == ""


def test_the_thief_cannot_report_that_it_wiped_the_disks(thief: Claimed) -> None:
    """They are the other machine's, and hold its former tenant's data."""
    meta = thief.engine.world.meta
    raid = thief.engine.world.node_roles[(thief.node, "raid-configure")]
    assert (raid.state, raid.attempt) == (State.WAITING, "")
    for number in range(meta.attempts + 3):
        thief.result(f"{meta.installation}-{number}.1", gives=GIVES["raid-configure"])
    raid = thief.engine.world.node_roles[(thief.node, "raid-configure")]
    assert (raid.state, raid.attempt) == (State.WAITING, "")


def test_a_result_that_nobody_ordered_pins_no_host_key(thief: Claimed) -> None:
    meta = thief.engine.world.meta
    leg = f"{meta.installation}-{meta.attempts + 1}.1"
    thief.result(leg, gives={**INSTALLED, "ssh-host-key": THEIRS})
    assert (thief.record.host_key, thief.record.installation) == ("", "")
    assert thief.install.state is State.WAITING


def test_the_operator_is_not_led_to_confirm_it(thief: Claimed) -> None:
    """The genuine machine is refused, so its screen shows no fingerprint; no other text is taken for one."""
    for typed in ("", "0000-0000", thief.fingerprint[::-1], thief.token, None):
        assert isinstance(thief.operate("confirm", typed), Refuse)
    assert thief.record.confirmed == ""


def test_a_confirmation_is_not_for_the_next_boot(thief: Claimed) -> None:
    """Here the first boot is the genuine machine's. It is confirmed, gets its task and goes down; the attacker has the next claim."""
    leg = thief.confirmed()
    thief.boot("boot-2")
    assert thief.record.confirmed == ""
    assert thief.task(leg)[0] == 404, "the task is for the boot that was confirmed"
    assert thief.call("GET", "/agent/next?wait=1", token=thief.token).status == 204
    answer = thief.result(leg, gives={**INSTALLED, "ssh-host-key": THEIRS})
    assert answer.status != 200, "nothing of it was recorded"
    assert (thief.record.host_key, thief.record.installation) == ("", "")
    assert thief.install.state is State.TRANSITION
    assert thief.waits_for_a_word()


def test_the_confirmed_machine_gets_all_of_it(thief: Claimed) -> None:
    """The counterpart: without it the tests above would prove nothing."""
    credential = thief.installs()
    assert thief.engine.adapters.keys.check_credential(credential) == (thief.node, thief.record.installation)
    assert thief.record.host_key == HOST_KEY
