"""The worked example of docs/barclamps.md in place of the original's `on_node_*` hooks: it loads, and follows each node that comes, is renamed,
replaced or deleted, on a rack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from catalogs import plan
from clamp_rig import folder
from rack import Rack

from engine.api.barclamps import from_path, import_source, site_catalog
from engine.core.roles.stages import node_state
from engine.core.roles.wishes import task_document
from engine.effects import Start
from engine.events import Commit
from engine.model import Kind
from engine.plan import Rule

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs" / "barclamps.md"
KEY = ("admin", "hosts-file")


def blocks() -> tuple[str, str]:
    """The example's barclamp.yml and its script, as the page shows them."""
    text = DOCS.read_text()
    yml = re.search(r"```yaml\n(barclamp: \{name: hosts,.*?)```", text, re.S)
    run = re.search(r"```sh\n(#!/bin/sh\nset -eu\nfile=.*?)```", text, re.S)
    assert yml is not None
    assert run is not None
    return yml[1], run[1]


def rack_of(tmp_path: Path, nodes: int, **more: Any) -> Rack:
    yml, run = blocks()
    store = tmp_path / "store"
    files = {"barclamp.yml": yml.encode(), "roles/hosts-file/run": run.encode()}
    import_source(store, from_path(folder(tmp_path / "in", files, "hosts")))
    made = Rack(site_catalog(store), plan({"hosts-entry": ("all",)}, **more), nodes=nodes, seed=2)
    made.behaviour["bios-configure"] = "bios"
    return made


@pytest.fixture()
def rack(tmp_path: Path) -> Rack:
    made = rack_of(tmp_path, 3)
    assert made.run(), "\n".join(made.state())
    return made


def collected(rack: Rack) -> dict[str, Any]:
    return dict(task_document(rack.world, rack.world.node_roles[KEY], {})["hosts"])


def listed(rack: Rack) -> dict[str, str]:
    """Name -> address, as the script would get them."""
    found = collected(rack)
    assert [one["node"] for one in found["names"]] == [one["node"] for one in found["addresses"]]
    return {name["value"]: address["value"]["address"] for name, address in zip(found["names"], found["addresses"], strict=True)}


def runs(rack: Rack) -> int:
    return sum(isinstance(one, Start) and (one.node, one.role) == KEY for one in rack.effects)


def servers(rack: Rack) -> list[Any]:
    return [node for node in rack.world.nodes.values() if node.kind is Kind.SERVER]


def follows(rack: Rack, before: int) -> None:
    """It runs again, at most a second after the change."""
    at = rack.now
    assert rack.run(lambda: runs(rack) > before, seconds=60.0)
    assert rack.now - at <= 1.0


def test_it_lists_every_server_that_came(rack: Rack) -> None:
    assert len(listed(rack)) == 3
    assert KEY not in rack.world.stale
    assert runs(rack) >= 2, "at first without any, then as they came"


def test_a_server_that_is_deleted_leaves_the_list(rack: Rack) -> None:
    before, gone = runs(rack), servers(rack)[0]
    rack.operate("delete", gone.id)
    assert len(listed(rack)) == 2
    follows(rack, before)


def test_a_server_that_is_renamed_has_its_new_name_there(rack: Rack) -> None:
    before, old = runs(rack), set(listed(rack))
    renamed = plan({"hosts-entry": ("all",)}, rules=(Rule(name="box-{number}"),))
    rack.feed(Commit(who="op", plan=renamed))
    assert {name.replace("box", "node") for name in listed(rack)} == old
    assert not old & set(listed(rack))
    follows(rack, before)


def test_a_server_that_is_replaced_keeps_its_line(tmp_path: Path) -> None:
    rack = rack_of(tmp_path, 2, allocate="ask")
    assert rack.run(lambda: len(servers(rack)) == 2 and {node_state(rack.world, one) for one in servers(rack)} == {"discovered"})
    one, other = [node.id for node in servers(rack)]
    rack.operate("allocate", one)
    assert rack.run(lambda: len(listed(rack)) == 1)
    rack.run(lambda: KEY not in rack.world.stale, seconds=600.0)
    before, was = runs(rack), listed(rack)
    rack.operate("hold", one)
    assert rack.run(lambda: rack.operate("replace", one, value=other) is not None and one not in rack.world.nodes)
    assert listed(rack) == was, "the other machine has the name and the address now"
    assert {item["node"] for item in collected(rack)["names"]} == {rack.world.nodes[other].name}
    rack.run(lambda: runs(rack) > before, seconds=60.0)
    assert KEY not in rack.world.stale


def test_the_script_writes_what_it_gets(tmp_path: Path) -> None:
    items = [{"node": f"n{i}", "role": "hosts-entry", "value": f"node-{i}"} for i in (1, 2)]
    addresses = [{"node": f"n{i}", "role": "hosts-entry", "value": {"address": f"10.0.0.{i}"}} for i in (1, 2)]
    for have in (2, 1, 0):
        (tmp_path / "attributes.json").write_text(json.dumps({"hosts": {"names": items[:have], "addresses": addresses[:have]}}))
        (tmp_path / "etc").mkdir(exist_ok=True)
        environment = {
            "PATH": f"{REPO / 'images' / 'node'}:/usr/bin:/bin",
            "CROWBAR_ROOT": str(tmp_path),
            "CROWBAR_ATTRIBUTES": str(tmp_path / "attributes.json"),
        }
        subprocess.run(["sh", "-c", blocks()[1]], env=environment, check=True, timeout=60)
        assert (tmp_path / "etc/crowbar-hosts").read_text() == "".join(f"10.0.0.{i} node-{i}\n" for i in (1, 2)[:have])
