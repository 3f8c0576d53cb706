"""`crowbar status`, `nodes` and `explain` on a store, without an engine."""

from __future__ import annotations

from pathlib import Path

from cli_store import Run, objects
from msgspec.structs import replace

from engine import reasons
from engine.api.control import Reader
from engine.events import Happened, Tick
from engine.model import Kind, NodeRole, State
from engine.store.store import Store


def switch_of(store: Path) -> str:
    with Reader(store) as reader:
        return next(n.name for n in reader.world.nodes.values() if n.kind is Kind.DEVICE)


def test_a_switch_has_no_signal_and_no_age_of_one(store: Path, crowbar: Run) -> None:
    name = switch_of(store)
    code, out, _ = crowbar("explain", name)
    assert code == 0
    assert out.splitlines()[0] == f"{name}: discovered, a switch, found by LLDP, runs device"
    (told,) = objects(crowbar("explain", name, "--json")[1])
    assert (told["signal"], told["signal_at"]) == ("", 0.0)
    assert "d ago" not in crowbar("explain", "admin")[1]


def test_every_layer_is_shown_with_who_set_it_or_how_to_set_it(store: Path, crowbar: Run) -> None:
    code, out, _ = crowbar("explain", "control-10", "raid-configure", "raid-wanted")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert list(rows) == ["default", "discovery", "hint", "parent", "deployment", "setting", "wish", "rule", "role", "engine", "operator"]
    assert '{"level": "raid1"}  <- this counts' in rows["deployment"]
    assert "crowbar set cloud raid-wanted VALUE" in rows["setting"]
    assert "crowbar set control-10/raid-configure raid-wanted VALUE" in rows["operator"]
    assert "not set; no barclamp takes it from what nodes report" in rows["discovery"]
    assert "not set; crowbar set control-10 raid-wanted VALUE --layer hint" in rows["hint"]
    (told,) = objects(crowbar("explain", "control-10", "raid-configure", "raid-wanted", "--json")[1])
    assert (told["value"], told["layer"], told["reads"]) == ({"level": "raid1"}, "deployment", True)


def test_a_value_that_is_not_there_says_how_to_set_it(store: Path, crowbar: Run) -> None:
    code, out, _ = crowbar("explain", "control-10", "ready", "bios-settings")
    assert code == 0
    assert "  no layer has a value" in out.splitlines()
    assert "    try: crowbar set control-10/ready bios-settings VALUE" in out.splitlines()
    assert "  ready does not read this attribute" in out.splitlines()


def test_an_attribute_that_is_not_there(store: Path, crowbar: Run) -> None:
    code, _, err = crowbar("explain", "control-10", "ntp-client", "nothing")
    assert (code, err) == (2, "crowbar: there is no attribute nothing; ntp-client reads ntp-servers\n")


def test_status_tells_the_state_of_each_deployment_and_what_holds_it_up(store: Path, crowbar: Run) -> None:
    assert {"  cloud: validated", "  system: validated"} <= set(crowbar("status")[1].splitlines())
    with Store.open(store) as made:
        failed = next(r for r in made.load()["node_roles"].values() if isinstance(r, NodeRole) and r.role == "ntp-client")
        broken = replace(failed, state=State.ERROR, failure=reasons.no_plan(), tries=1)
        made.commit([(Happened(1001.0, 1e6, Tick(subjects=())), [("node_roles", failed.key, broken)])])
    with Reader(store) as reader:
        name = reader.world.nodes[failed.node].name
    (line,) = [line for line in crowbar("status")[1].splitlines() if line.startswith("  cloud: ")]
    assert line.startswith(f"  cloud: in error; ntp-client on {name.split('.')[0]}: attempt ")
    (told,) = objects(crowbar("status", "--json")[1])
    assert told["deployments"]["cloud"] == "in error"
    held = told["held_up"]["cloud"]
    assert (held["role"], held["node"], held["why"]["code"]) == ("ntp-client", name, "failed")
