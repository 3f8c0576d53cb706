"""What is on a node's disks by all that the engine knows, and as the node says when it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.hardware.disk_now import GONE, Look, seen
from engine.core.hardware.disks import Disk


def disk(name: str, **more: Any) -> Disk:
    return Disk(name=name, size=more.pop("size", 10**12), **more)


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ([disk("sda", wwn="w1", signature="gpt"), disk("sdb", wwn="w2")], [("sda", "gpt", ""), ("sdb", "", "")]),
        # the names changed places
        ([disk("sdb", wwn="w1", signature="gpt"), disk("sda", wwn="w2")], [("sda", "gpt", ""), ("sdb", "", "")]),
        # one was taken out, one was put in
        ([disk("sda", wwn="w1"), disk("sdb", wwn="w3", signature="ext4")], [("sda", "", ""), ("sdb", "", GONE), ("sdb", "ext4", "")]),
        # one was exchanged for one that claims its name
        ([disk("sda", wwn="w1", size=5), disk("sdb", wwn="w2")], [("sda", "", GONE), ("sdb", "", ""), ("sda", "", "")]),
        ([], [("sda", "", GONE), ("sdb", "", GONE)]),
    ],
)
def test_disks_as_the_node_sees_them(now: list[Disk], shown: list[tuple[str, str, str]]) -> None:
    known = [disk("sda", wwn="w1"), disk("sdb", wwn="w2")]
    assert [(one.name, one.signature, one.state) for one in seen(known, Look(at=1.0, disks=tuple(now)))] == shown
