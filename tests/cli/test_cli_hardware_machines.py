"""`crowbar hardware show|diff|check|expect`: the machines of a store, how they change, and what is expected of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_store import Run, objects, plan_of
from msgspec.structs import replace

from engine.api.control import Reader
from engine.attach.server import AttachService
from engine.events import Commit, Happened
from engine.parts import Dimm, Firmware, Parts, Product
from engine.runtime.engine import Engine
from engine.store.hardware import HardwareRecord, HardwareShelf
from engine.store.store import Store

GIB = 1 << 30
WHOLE = Parts(
    system=Product(vendor="Dell Inc.", model="R640"),
    firmware=(Firmware(part="bios", version="2.12"),),
    dimms=tuple(Dimm(place=f"A{n}", size=16 * GIB, type="DDR4", serial=f"D{n}") for n in (1, 2)),
)
LESS = replace(WHOLE, dimms=WHOLE.dimms[:1])


@pytest.fixture
def shelf(store: Path) -> HardwareShelf:
    """Three looks at three machines: the first one has lost a DIMM meanwhile, the last one has an older BIOS."""
    same = [("nodes", node.id, replace(node, family="R640")) for node in nodes(store)]
    with Store.open(store) as opened:
        opened.commit([(Happened(1001.0, 1.0, Commit(who="test", plan=plan_of())), same)])
    made = HardwareShelf(store)
    first, second, third = ids(store)
    for at, parts in ((1_700_000_000.0, WHOLE), (1_700_100_000.0, LESS)):
        made.put(first, HardwareRecord(at=at, source="in-band", parts=parts, sum=str(at)), b"raw")
    made.put(second, HardwareRecord(at=1_700_000_000.0, source="in-band", parts=WHOLE))
    old = replace(WHOLE, firmware=(Firmware(part="bios", version="2.10"),))
    made.put(third, HardwareRecord(at=1_700_000_000.0, source="in-band", parts=old))
    return made


def nodes(store: Path) -> list[Any]:
    with Reader(store) as reader:
        return sorted((node for node in reader.world.nodes.values() if node.kind.value == "server"), key=lambda node: node.id)


def ids(store: Path) -> list[str]:
    return [node.id for node in nodes(store)]


def test_show_has_the_parts_and_the_facts(crowbar: Run, shelf: HardwareShelf, store: Path, tmp_path: Path) -> None:
    name = nodes(store)[0].name
    code, out, _ = crowbar("hardware", "show", name, "--raw", str(tmp_path / "raw"))
    assert code == 0
    assert "A1" in out
    assert "dimms          1 x 16 GiB DDR4" in out
    assert (tmp_path / "raw").read_bytes() == b"raw"
    code, out, _ = crowbar("hardware", "show", name, "--json")
    (one,) = objects(out)
    assert one["facts"]["bios-version"] == "2.12"
    assert one["parts"]["dimms"][0]["size"] == 16 * GIB


def test_what_changed_at_a_machine(crowbar: Run, shelf: HardwareShelf, store: Path) -> None:
    name = nodes(store)[0].name
    code, out, _ = crowbar("hardware", "diff", name)
    assert code == 0
    assert "DIMM A2 (16 GiB DDR4, serial D2) is gone" in out
    assert [one["what"] for one in objects(crowbar("hardware", "diff", name, "--json")[1])] == ["gone"]
    assert "no changes" in crowbar("hardware", "diff", name, "--since", "1h")[1]
    assert "is gone" in crowbar("hardware", "diff", name, "--since", "2023-11-15")[1]
    assert crowbar("hardware", "diff", name, "--since", "yesterday")[0] == 2


def test_in_what_two_machines_differ(crowbar: Run, shelf: HardwareShelf, store: Path) -> None:
    first, second, third = (node.name for node in nodes(store))
    code, out, _ = crowbar("hardware", "diff", third, second)
    assert (code, out.splitlines()) == (0, [f"bios-version: 2.10, and {second.split('.')[0]} has 2.12"])
    assert len(crowbar("hardware", "diff", first, third)[1].splitlines()) == 3


def test_the_one_that_differs_from_its_family(crowbar: Run, shelf: HardwareShelf, store: Path) -> None:
    code, out, _ = crowbar("hardware", "check", "--json")
    assert code == 1
    found = {(one["node"], one["fact"]) for one in objects(out)}
    assert (nodes(store)[2].name, "bios-version") in found
    assert (nodes(store)[0].name, "dimms") in found
    assert crowbar("hardware", "check", nodes(store)[1].name)[0] == 0


def test_an_expectation_is_an_attribute_of_the_site(crowbar: Run, shelf: HardwareShelf, store: Path, engine: Engine) -> None:
    good, short = nodes(store)[1], nodes(store)[0]
    code, _, err = crowbar("hardware", "expect", good.name)
    assert (code, err) == (0, "")
    assert engine.world.attributes[("setting", "system", "hardware-expected")].value == {
        good.family: {"system": "Dell Inc. R640", "memory": "32 GiB", "dimms": "2 x 16 GiB DDR4", "bios-version": "2.12"}
    }
    code, out, _ = crowbar("hardware", "check", short.name)
    assert code == 1
    assert "memory: 16 GiB, and 32 GiB is expected" in out
    assert crowbar("hardware", "expect", good.name, "--clear")[0] == 0
    assert engine.world.attributes[("setting", "system", "hardware-expected")].value == {}


@pytest.mark.parametrize("verb", ["show", "diff", "expect"])
def test_nobody_has_looked_yet(verb: str, crowbar: Run, store: Path) -> None:
    name = nodes(store)[0].name
    code, _, err = crowbar("hardware", verb, name)
    assert code == 1
    assert f"crowbar node {name} rediscover" in err
    assert crowbar("hardware", verb, "nobody")[0] in (1, 2)


def test_a_look_names_its_nodes_or_all(crowbar: Run, store: Path) -> None:
    one = nodes(store)[0].name
    for words in ([], [one, "--all"]):
        code, _, err = crowbar("hardware", "look", *words)
        assert code == 2
        assert "give --all" in err
    code, _, err = crowbar("hardware", "look", one, "nobody")
    assert (code, err) == (2, "crowbar: there is no node nobody\n")
    code, _, err = crowbar("hardware", "look", one)
    assert code != 0
    assert "no engine runs" in err


class Bmcs:
    """An engine, as far as its BMCs are asked: one of them tells nothing."""

    def __init__(self, silent: str) -> None:
        self.silent = silent

    def bmc(self, node: str, inventory: bool, interop: bool) -> dict[str, Any]:
        assert (inventory, interop) == (True, False)
        if node == self.silent:
            return {"refused": "its BMC does not answer"}
        return {"hardware": {"facts": {"system": f"Maker {node}"}, "changes": ["DIMM A1 is gone"]}, "left_out": []}


def test_a_look_at_several_tells_each_one_s_answer(crowbar: Run, store: Path) -> None:
    known = nodes(store)
    service = AttachService(store, Bmcs(known[-1].id))  # type: ignore[arg-type]
    service.start()
    try:
        code, out, err = crowbar("hardware", "look", *(node.name for node in known))
        assert code == 1
        assert err == f"crowbar: {known[-1].name.split('.')[0]}: its BMC does not answer\n"
        assert [f"Maker {node.id}" in out for node in known] == [True] * (len(known) - 1) + [False]
        assert out.count("  changed: DIMM A1 is gone\n") == len(known) - 1
        assert out.endswith(f"{len(known) - 1} of {len(known)} machines were looked at\n")
        code, out, _ = crowbar("hardware", "look", "--all", "--json")
        asked = sorted(node.name for node in known if node.bmc is not None)
        assert [one["node"] for one in objects(out)] == asked
        code, out, err = crowbar("hardware", "look", known[0].name)
        assert (code, err) == (0, "")
        assert "were looked at" not in out
    finally:
        service.stop()
