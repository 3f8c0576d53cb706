"""The attacker wants the nonce of a machine's boot, so that it can say hello first and get the machine's token and secrets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from fake_machine import FakeMachine, plan, running

from engine.runtime.engine import Engine


@pytest.fixture()
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running(tmp_path / "store", plan()) as one:
        yield one


def test_by_asking_for_its_script_from_elsewhere(engine: Engine) -> None:
    victim, thief = FakeMachine(engine, 1), FakeMachine(engine, 2)
    victim.script()
    for path in (f"/boot/script?mac={victim.mac}", f"/boot/script?mac={victim.mac}&uuid={victim.uuid}", f"/boot/grub.cfg?mac={victim.mac}"):
        refused = thief.call("GET", path)
        assert (refused.status, refused.code) == (403, "script_elsewhere")
        assert victim.nonce not in refused.text
    reason = engine.world.sightings[victim.mac].reason
    assert reason is not None
    assert (reason.code, reason.fields["address"]) == ("script_elsewhere", thief.address)


def test_by_asking_last(engine: Engine) -> None:
    """Whoever asks later makes no other nonce, and leaves the machine's own good."""
    victim, thief = FakeMachine(engine, 1), FakeMachine(engine, 1)
    given = victim.script()
    assert thief.script() == given
    assert victim.hello("boot-a").status == 200
    refused = thief.hello("boot-of-the-thief")
    assert (refused.status, refused.code) == (403, "second_claim")
    assert engine.world.nodes[victim.node].boot_id == "boot-a"


def test_by_reading_the_store(engine: Engine) -> None:
    """The store and its journal hold half of a nonce: the other half is computed with the site's key."""
    victim = FakeMachine(engine, 1)
    given = victim.script()
    boot = engine.world.sightings[victim.mac].boot
    assert boot is not None
    assert boot.nonce
    assert given.startswith(boot.nonce)
    assert given != boot.nonce
    for guess in (boot.nonce, boot.nonce + "0" * 32, boot.nonce * 3):
        victim.nonce = guess
        assert victim.hello("boot-a").code == "unknown_nonce"
