"""The attacker's goal: to speak for a node with the credential of its installed system, read off its disk by a former tenant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from claimed_machine import Claimed, site
from msgspec.structs import replace

from engine.effects import Accept
from engine.model import Node

FOR_SHOW = ("notice", "probe", "probes", "missed")
"""What a question leaves on the node."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Claimed]:
    with site(tmp_path / "store") as engine:
        one = Claimed(engine, 1)
        one.boot("boot-1")
        one.works()
        yield one


def known(node: Node) -> Node:
    """The node without what only a question changes."""
    blank = Node(id="", name="")
    return replace(node, **{name: getattr(blank, name) for name in FOR_SHOW})


def refused(machine: Claimed, credential: str, boot_id: str = "boot-of-the-tenant", **other: Any) -> str:
    """The code of the refusal. The node is what it was."""
    before, token = known(machine.record), machine.token
    answer = machine.hello(boot_id, nonce="", credential=credential, **{"environment": "debian-12", **other})
    machine.token = token
    assert answer.status == 403, answer
    assert known(machine.record) == before
    return answer.code


def again(machine: Claimed, boot_id: str, former: str) -> str:
    """Installs it anew, as for the next tenant."""
    machine.comes_up(f"before-{boot_id}", former)
    assert isinstance(machine.operate("reinstall"), Accept)
    machine.boot(boot_id)
    machine.works()
    return machine.installs()


def test_the_copy_of_a_former_tenant_is_worthless(machine: Claimed) -> None:
    former = machine.installs()
    present = again(machine, "boot-2", former)
    assert former != present
    for other in ({}, {"environment": "sledgehammer"}, {"macs": ["52:54:00:99:00:01"]}):
        assert refused(machine, former, **other) in ("old_credential", "memory_credential")
    notice = machine.record.notice
    assert notice is not None
    assert notice.code in ("old_credential", "memory_credential")
    # The present system is welcome.
    machine.comes_up("boot-3", present)
    assert refused(machine, former) == "old_credential"


def test_it_disturbs_no_install_that_goes_on(machine: Claimed) -> None:
    former = machine.installs()
    machine.comes_up("of-the-tenant", former)
    assert isinstance(machine.operate("reinstall"), Accept)
    machine.boot("boot-2")
    machine.works()
    machine.confirmed()
    assert refused(machine, former) == "second_claim"
    assert refused(machine, former, macs=["52:54:00:99:00:01"]) == "copied_credential"
    assert machine.install.state.value == "transition"


def test_a_credential_opens_no_environment_in_memory(machine: Claimed) -> None:
    """There it would get the tasks of sledgehammer, and with them the secrets of the next tenant."""
    present = machine.installs()
    for environment in ("sledgehammer", "debian-12-installer"):
        assert refused(machine, present, environment=environment) == "memory_credential"


def test_a_credential_of_an_installation_that_never_was_is_none(machine: Claimed) -> None:
    node, attempt, mac = machine.installs().split(".")
    keys = machine.engine.adapters.keys
    for text in (f"{node}.{attempt}9.{mac}", f"{node}.{mac}", f"{node}..{mac}", f"n2.{attempt}.{mac}", f"{node}.{attempt}.{mac[:-1]}x"):
        assert refused(machine, text) == "unknown_nonce", "it is taken for none"
    assert refused(machine, keys.credential(node, f"{attempt}9")) == "old_credential"


def test_the_credential_of_an_earlier_version_ends_with_the_first_install(machine: Claimed) -> None:
    """Earlier versions gave a node one credential for ever."""
    machine.installs()
    assert refused(machine, machine.engine.adapters.keys.credential(machine.node)) == "old_credential"
