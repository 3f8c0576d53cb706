"""The engine refuses an agent with another protocol version, and shows this wherever the node is shown."""

from __future__ import annotations

import pytest
from boots_rig import disk_hello, hello, needs_boot, rig, script

from engine.core.boot.hello import PROTOCOL
from engine.effects import Refuse, Welcome
from engine.events import ScriptAsked
from engine.requests import Asker, Request


@pytest.mark.parametrize("theirs", [PROTOCOL - 1, PROTOCOL + 1])
def test_of_a_node_that_is_known(theirs: int) -> None:
    d = rig()
    needs_boot(d)
    d.feed(script())
    d.feed(hello(protocol=theirs))
    assert not d.all(Welcome)
    refused = d.one(Refuse).reason
    assert (refused.code, refused.fields) == ("agent_protocol", {"theirs": theirs, "ours": PROTOCOL})
    node = d.node()
    assert node.notice == refused
    assert node.boot is not None
    assert node.boot.failure == refused, "what is told when no hello comes within the deadline"
    d.feed(hello(protocol=PROTOCOL))
    assert d.one(Welcome).node == "n1", "the nonce is still good for an agent of this version"


def test_of_an_installed_system() -> None:
    d = rig(runs="debian-12", stage="system")
    event = disk_hello("b5")
    d.feed(type(event)(**{name: getattr(event, name) for name in event.__struct_fields__} | {"protocol": 7}))
    assert d.one(Refuse).reason.code == "agent_protocol"
    assert d.node().notice is not None


def test_of_a_machine_that_nobody_knows() -> None:
    d = rig()
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac="52:54:00:99:00:01", address="10.0.0.31", nonce="h9"))
    d.feed(hello(nonce="h9", macs=("52:54:00:99:00:01",), protocol=7))
    assert d.one(Refuse).reason.code == "agent_protocol"
    sighting = d.world.sightings["52:54:00:99:00:01"]
    assert sighting.reason is not None
    assert sighting.reason.code == "agent_protocol"
