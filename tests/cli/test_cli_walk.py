"""`crowbar walk`: text to print, CSV and JSON lines."""

from __future__ import annotations

import csv
import io

from cli_store import Run, objects

from crowbar_tui.commands.walk import HEAD, draw
from engine.api.control import CableStep

SWAP = CableStep(
    rack="r1",
    unit=10,
    node="node-10",
    nic="eno2",
    link="1g1",
    task="move",
    now="tor2:swp11",
    target="tor2:swp10",
    holds="node-11 1g1",
    why="x",
)
LOST = CableStep(rack="", unit=0, node="node-9", nic="ens9", link="", task="find", now="lab:7", target="", holds="", why="not in the plan")

DRAWN = """\
 r1 unit 10  node-10
  [ ] 1g1 eno2        move the cable from tor2:swp11 to tor2:swp10
                      tor2:swp10 holds node-11 1g1 now

 place not known  node-9
  [ ] ens9            find the machine: its cable ends in lab:7
                      not in the plan

 2 cables, 2 machines"""


def test_the_list_to_print() -> None:
    assert draw((SWAP, LOST)) == DRAWN
    assert draw(()).startswith("nothing to move")


def test_of_a_rack(crowbar: Run) -> None:
    code, out, _ = crowbar("walk")
    assert code == 0
    assert "move the cable from tor1:swp40 to tor1:swp3" in out
    rows = objects(crowbar("walk", "--json")[1])
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["steps"] == len(rows) - 1 > 0
    (moved,) = [r for r in rows if r.get("task") == "move"]
    table = list(csv.DictReader(io.StringIO(crowbar("walk", "--csv")[1])))
    assert tuple(table[0]) == HEAD
    assert [r["now"] for r in table if r["task"] == "move"] == [moved["now"]]
