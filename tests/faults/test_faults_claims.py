"""A rehearsal of a site that does not trust its network: a person walks to the machines and compares fingerprints."""

from __future__ import annotations

import re
from pathlib import Path

from faulty_rack import PLAN, FaultyRack, faulty

from engine.effects import Accept, Refuse
from engine.events import Operate
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.rehearsal.session import settled

CONFIRMED = plan_file.read(PLAN.replace(", trust: network", ""), "plan.yml", shipped())


def screen(rack: FaultyRack, name: str) -> str:
    """The fingerprint that the machine's own screen shows. Empty: none."""
    found = re.search(r"fingerprint ([0-9a-f-]+)", rack.machine(name)["screen"])
    return found[1] if found else ""


def confirm(rack: FaultyRack, name: str, fingerprint: str) -> Accept | Refuse:
    node = rack.node(name)
    assert node is not None
    return rack.engine.ask(Operate(who="op", verb="confirm", node=node.id, value=fingerprint))


def test_machines_that_show_their_fingerprint_become_ready(tmp_path: Path) -> None:
    assert CONFIRMED.site.trust == "confirmed"
    with faulty(tmp_path, "faults: {}", nodes=2, wanted=CONFIRMED) as rack:

        def walk() -> bool:
            for name in ("m1", "m2"):
                if rack.why(name) != "not_confirmed":
                    continue
                other = screen(rack, "m2" if name == "m1" else "m1")
                if other:
                    assert isinstance(confirm(rack, name, other), Refuse), "the screen of another machine"
                answer = confirm(rack, name, screen(rack, name))
                node = rack.node(name)
                assert isinstance(answer, Accept) or (node is not None and node.fingerprint != screen(rack, name)), answer
            return settled(rack.engine.world, rack.nodes) == "ready"

        rack.until(walk)
        rack.nothing_twice()
        for name in ("m1", "m2"):
            node = rack.node(name)
            assert node is not None
            assert node.installation == node.installing != ""
            assert node.host_key
