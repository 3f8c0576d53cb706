"""`crowbar node place`: where a node stands, by a person or a label."""

from __future__ import annotations

from cli_store import Run

from engine.model import Place
from engine.runtime.engine import Engine


def test_a_label_places_a_node(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("node", "place", "compute-11", "r9", "33", "--by", "label")
    assert code == 0, out
    node = engine.world.node_named("compute-11")
    assert node is not None
    assert node.place == Place(rack="r9", unit=33)
    assert crowbar("set", "compute-11", "location", "--clear")[0] == 0
    assert crowbar("set", "compute-11", "location", "--clear")[0] == 1, "it is taken back"


def test_a_person_is_the_default_and_what_is_no_place_is_refused(engine: Engine, crowbar: Run) -> None:
    assert crowbar("node", "place", "control-10", "r9", "34")[0] == 0
    node = engine.world.node_named("control-10")
    assert node is not None
    assert node.place == Place(rack="r9", unit=34)
    for words in (("control-10", "r9"), ("control-10", "r9", "x"), ("control-10", "r9", "1", "2")):
        code, _, err = crowbar("node", "place", *words)
        assert code == 2
        assert "crowbar node place NODE RACK UNIT" in err
    assert crowbar("node", "place", "control-10", "r9", "99")[0] == 1, "a rack has 60 units at most"
    assert crowbar("node", "place", "nobody", "r9", "9")[0] != 0
