"""`crowbar export`: nodes for other programs, which must not obey what machines call themselves."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_store import CabledRack, Run, objects
from msgspec import to_builtins
from msgspec.structs import replace

from crowbar_tui.inventories import ansible, table
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.model import Bmc
from engine.views.export import TEXT, ExportedNode, exported

EVIL = "{{ lookup('pipe', 'id') }}{% x %}{# y #}"


def checked(text: str) -> dict[str, Any]:
    """An inventory as Ansible's documentation describes it: groups with `hosts`, `vars` and `children`, of allowed names."""
    body: dict[str, Any] = json.loads(text)
    assert body.keys() == {"all"}
    known = body["all"]["hosts"]
    for host, variables in known.items():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*(_\d+)?", host)
        assert all(re.fullmatch(r"(ansible|crowbar)_[a-z_]+", name) for name in variables)
    for name, group in body["all"]["children"].items():
        assert re.fullmatch(r"[a-z]+_[A-Za-z0-9_]+", name)
        assert group.keys() == {"hosts"}
        assert group["hosts"]
        assert group["hosts"].keys() <= known.keys()
    return body


def with_serial(world: World, serial: str, **more: Any) -> list[ExportedNode]:
    work = Work(world)
    node = world.node_named("compute-11")
    assert node is not None
    work.put_node(replace(node, serial=serial, **more))
    return exported(work.finish())


def row_of(nodes: list[ExportedNode]) -> dict[str, str]:
    rows = list(csv.DictReader(io.StringIO(table(nodes), newline="")))
    return next(row for row in rows if row["name"].startswith("compute-11"))


def test_json_has_a_line_per_node(crowbar: Run) -> None:
    code, out, _ = crowbar("export", "--json")
    assert code == 0
    found = {one["name"]: one for one in objects(out)}
    assert list(found) == ["control-10.r1.test", "compute-11.r1.test", "compute-12.r1.test"]
    one = found["compute-11.r1.test"]
    assert (one["type"], one["state"], one["group"], one["rack"], one["place"]) == ("node", "ready", "compute", "r1", 11)
    assert (one["serial"], one["macs"], one["allocated"]) == ("SN0002", ["52:54:00:00:00:02"], True)
    assert one["addresses"] == {"admin": one["address"]}
    assert (one["bmc_address"], one["wanted_system"]) == ("10.0.1.2", "debian-12")
    assert {"network-admin", "ntp-client", "ready"} <= set(one["deployments"]["cloud"])


def test_the_inventory_has_groups_and_addresses(crowbar: Run) -> None:
    code, out, _ = crowbar("export", "--ansible")
    assert code == 0
    body = checked(out)["all"]
    assert body["children"]["group_compute"]["hosts"].keys() == {"compute-11.r1.test", "compute-12.r1.test"}
    assert body["children"]["role_ntp_client"]["hosts"].keys() == body["hosts"].keys()
    assert body["children"]["deployment_cloud"]["hosts"].keys() == body["hosts"].keys()
    one = body["hosts"]["control-10.r1.test"]
    assert one["ansible_host"] == one["crowbar_addresses"]["admin"]
    assert (one["crowbar_serial"], one["crowbar_wanted_system"]) == ("SN0001", "debian-12")


@pytest.mark.skipif(shutil.which("ansible-inventory") is None, reason="ansible is not installed")
def test_ansible_reads_the_inventory(brought_up: CabledRack, tmp_path: Path) -> None:
    file = tmp_path / "rack.json"
    file.write_text(ansible(with_serial(brought_up.world, EVIL)), encoding="utf-8")
    for words in (["--list"], ["--host", "compute-11.r1.test"]):
        done = subprocess.run(["ansible-inventory", "-i", file, *words], capture_output=True, text=True, timeout=120, check=True)
        assert not done.stderr
    assert json.loads(done.stdout)["crowbar_serial"] == EVIL.replace("{", "(").replace("}", ")")


def test_no_template_of_a_machine_reaches_ansible(brought_up: CabledRack) -> None:
    nodes = with_serial(brought_up.world, EVIL, uuid="{{ x }}", macs=("{{ m }}",), bmc=Bmc(address="{{ b }}", mac="\u00fc{%"))
    nodes = [replace(nodes[0], name="a[1:999999]{{ n }}", address="{{ a }}"), *nodes[1:]]
    text = ansible(nodes)
    hosts = checked(text)["all"]["hosts"]
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', json.dumps(hosts))
    assert not [one for one in strings if "{" in one or "}" in one]
    assert "ansible_host" not in hosts["a-1-999999----n"]


def test_names_that_become_one_stay_two(brought_up: CabledRack) -> None:
    first, second, third = exported(brought_up.world)
    nodes = [replace(first, group="a-b"), replace(second, group="a.b"), replace(third, group="a-b", name=first.name)]
    body = checked(ansible(nodes))["all"]
    assert body["children"]["group_a_b"]["hosts"].keys() == {first.name, f"{first.name}_2"}
    assert body["children"]["group_a_b_2"]["hosts"].keys() == {second.name}


def test_an_empty_rack_is_a_valid_export(brought_up: CabledRack) -> None:
    nodes = exported(World.new(brought_up.catalog))
    assert checked(ansible(nodes)) == {"all": {"hosts": {}, "children": {}}}
    assert table(nodes).count("\r\n") == 1


def test_the_table_has_a_column_per_network_and_ends_lines_with_crlf(crowbar: Run) -> None:
    code, out, _ = crowbar("export", "--csv")
    assert code == 0
    assert out.count("\n") == out.count("\r\n") == 4
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["name"] for row in rows] == ["control-10.r1.test", "compute-11.r1.test", "compute-12.r1.test"]
    assert rows[0]["address-admin"] == rows[0]["address"]
    assert "ntp-client" in rows[0]["roles"].split()


@pytest.mark.parametrize("serial", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\uff1d1", '=HYPERLINK("http://x")'])
def test_a_spreadsheet_computes_no_cell(brought_up: CabledRack, serial: str) -> None:
    found = row_of(with_serial(brought_up.world, serial))["serial"]
    assert not found.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))


@pytest.mark.parametrize("serial", ['a"b', "a,b", "a b", "a;b", "plain"])
def test_a_cell_comes_back_as_it_was(brought_up: CabledRack, serial: str) -> None:
    assert row_of(with_serial(brought_up.world, serial))["serial"] == serial


def test_what_a_machine_calls_itself_is_bounded(brought_up: CabledRack) -> None:
    nodes = with_serial(brought_up.world, "x\r\ny\x1b[31m" + 9000 * "z")
    assert row_of(nodes)["serial"].startswith("x??y?[31mzzz")
    assert len(row_of(nodes)["serial"]) == TEXT


@pytest.mark.parametrize("form", [ansible, table, lambda nodes: json.dumps([to_builtins(node) for node in nodes])])
def test_no_secret_is_exported(brought_up: CabledRack, form: Callable[[list[ExportedNode]], str]) -> None:
    hidden = {"claim": "hunter2-nonce", "fingerprint": "hunter2-print", "installing": "hunter2-1", "installation": "hunter2-2"}
    text = form(with_serial(brought_up.world, "SN-shown", **hidden))
    assert "SN-shown" in text
    for word in ("hunter2", "password", "CROWBAR_BMC", "$secret", "raid1"):
        assert word not in text


def test_the_store_may_stand_behind_the_command(crowbar: Run, store: Path) -> None:
    assert crowbar("--store", "/nowhere", "export", "--json", "--store", str(store)) == crowbar("export", "--json")
    assert crowbar("export")[0] == 2, "a form must be given"
