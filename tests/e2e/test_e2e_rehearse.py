"""The first command of the README, as a process: one machine from powered off to ready over real protocols, and all that can be asked afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowbar_process import Ended, crowbar, here, rack_counts, rack_folder, saved_machines, stop_rack, wait_until

import crowbar_tui
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Kind
from engine.racks import connect
from engine.rehearsal.session import Rehearsal, with_nodes
from engine.store.file import held
from engine.store.store import Store
from engine.views.summary import settled, summary

RUN = ("rehearse", "--nodes", "1", "--speed", "max", "--headless", "--json")
ONE = (Path(crowbar_tui.__file__).parent / "plans" / "one-node.yml").read_text(encoding="utf-8")
ROLES = [
    "bios-configure",
    "bmc-discover",
    "dns-client",
    "inventory",
    "lldp",
    "network-admin",
    "ntp-client",
    "os-install",
    "package-sources",
    "raid-configure",
    "raid-discover",
    "ready",
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Ended]]:
    """One run, that the tests below look at; none of them changes what it left."""
    store = tmp_path_factory.mktemp("rehearse") / "store"
    try:
        yield store, crowbar(store, *RUN)
    finally:
        stop_rack(store)


def test_one_node_becomes_ready(ran: tuple[Path, Ended]) -> None:
    _, run = ran
    assert run.code == 0, run
    last = run.summary
    assert last["type"] == "summary"
    assert (last["nodes"], last["ready"], last["failed"], last["waiting"]) == (1, 1, 0, {})
    assert last["seconds"] > 0  # how many: tests/bench
    assert last["deployments"]["cloud"] == "validated"
    assert last["boots"] >= 2  # discovery, and once more for the firmware's settings


def test_every_line_is_an_event_in_the_order_of_the_journal(ran: tuple[Path, Ended]) -> None:
    store, run = ran
    events = run.lines[:-1]
    for line in events:
        assert {"seq", "at", "type", "node"} <= line.keys()
        assert isinstance(line["seq"], int)
        assert isinstance(line["at"], float)
        assert isinstance(line["type"], str)
        assert isinstance(line["node"], str)
    assert [line["seq"] for line in events] == list(range(1, len(events) + 1))
    with Store.read(store) as reader:
        assert reader.verify() == []
        assert reader.seq == len(events)
    assert run.err == ""


def test_each_protocol_was_really_used(ran: tuple[Path, Ended]) -> None:
    store, run = ran
    counts = rack_counts(store)
    assert counts["dhcp-answered"] >= 4  # the ROM's and iPXE's, in two network boots
    assert counts["tftp-octets"] >= 2 * 1024 * 1024  # a loader of at least 1 MB, twice
    assert counts["http-octets"] >= 20_000_000
    assert counts["bmc-logins"] >= 1
    assert counts["ssh-commands"] >= 2  # network-admin and ntp-client
    told = [line["type"] for line in run.lines]
    assert {"dhcp-asked", "fetched", "script-asked", "hello", "powered", "outcome", "probed"} <= set(told)
    signals = [line["signal"] for line in run.lines if line.get("signal")]
    for signal in ("powered", "dhcp", "script", "hello"):  # two that come at once are one row of the journal, with the later one
        assert signal in signals, signal


def test_the_machine_is_what_the_plan_says(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    (machine,) = saved_machines(store)
    assert machine["bios"]["virtualization"] == "enabled"
    assert machine["bios"]["power-profile"] == "performance"
    assert machine["bios_pending"] == {}
    (volume,) = machine["volumes"]
    assert volume["level"] == "raid1"
    assert len(volume["disks"]) == 2
    assert volume["disk"]["wipes"] == 1
    assert volume["disk"]["signature"] == "gpt"
    assert volume["disk"]["system"]["os"] == "debian-12"
    assert volume["disk"]["system"]["hostname"] == "node-1"
    assert {serial: disk["wipes"] for serial, disk in machine["disks"].items() if disk["wipes"]} == dict.fromkeys(volume["disks"], 1)
    assert machine["boots"] == 2


def test_the_second_run_does_nothing(store: Path) -> None:
    """The rack ended with the first run, so its machines come up as after a power failure; the engine orders nothing."""
    first = crowbar(store, *RUN)
    assert first.code == 0, first
    before = saved_machines(store)
    with Store.read(store) as reader:
        tables, seq = reader.load(), reader.seq
    second = crowbar(store, *RUN, "--wait", "validated")
    assert second.code == 0, second
    assert second.summary["verdict"] == "validated"
    assert all(line["seq"] > seq for line in second.lines[:-1]), "it tells again what the first run told"
    assert second.summary["ready"] == 1
    assert rack_counts(store)["bmc-logins"] == 0
    (machine,) = saved_machines(store)
    assert [d["wipes"] for d in machine["disks"].values()] == [d["wipes"] for d in before[0]["disks"].values()]
    assert machine["volumes"][0]["disk"] == {**before[0]["volumes"][0]["disk"], "system": machine["volumes"][0]["disk"]["system"]}
    with Store.read(store) as reader:
        after = reader.load()
        for table in ("allocations", "revisions", "deployments", "attributes"):
            assert after[table] == tables[table], table
        assert reader.verify() == []


def test_nothing_happens_on_a_rack_that_is_as_it_shall_be(store: Path) -> None:
    """The same with a rack that went on in between: nothing but the start and the commit is recorded."""
    wanted = plan_file.read(ONE, "one-node.yml", shipped())
    first = Rehearsal(store, with_nodes(wanted, 1), 1, 1, "max", "test", "loopback")
    first.leave = True
    with first:
        wait_until(lambda: settled(first.engine.world, 1) == "ready", lambda: str(summary(first.engine.world)))
    boots = connect(rack_folder(store)).status()["boots"]
    with Store.read(store) as reader:
        seq, tables = reader.seq, reader.load()
    second = Rehearsal(store, with_nodes(wanted, 1), 1, 1, "max", "test", "loopback")
    with second:
        assert settled(second.engine.world, 1) == "ready"
        assert second.rack is not None
        assert second.rack.status()["boots"] == boots
    with Store.read(store) as reader:
        assert {row.event for row in reader.journal(seq)} == {"Started", "Commit"}
        after = reader.load()
        assert after | {"meta": {}} == tables | {"meta": {}}


def test_status(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    found = here(store, "status", "--json")
    assert found.code == 0, found
    (status,) = found.lines
    assert (status["type"], status["running"], status["nodes"], status["ready"], status["waiting"]) == ("status", False, 1, 1, {})
    assert status["deployments"] == {"cloud": "validated", "system": "validated"}
    assert status["held_up"] == {}
    plain = crowbar(store, "status")
    assert plain.code == 0
    assert "1 nodes  1 ready  0 failed" in plain.out
    assert "\x1b" not in plain.out


def test_nodes(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    (node,) = here(store, "nodes", "--json").lines
    assert (node["name"], node["state"], node["runs"], node["group"]) == ("node-1.rehearsal.test", "ready", "debian-12", "compute")
    assert node["done"] == node["roles"] == len(ROLES)
    assert node["why"] is None
    plain = here(store, "nodes")
    assert plain.code == 0
    (line,) = [line for line in plain.out.splitlines() if "node-1" in line]
    assert "ready" in line
    assert f"{len(ROLES)}/{len(ROLES)}" in line


def test_roles(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    rows = here(store, "roles", "node-1", "--json").lines
    assert sorted(row["role"] for row in rows) == ROLES
    assert {row["state"] for row in rows} == {"active"}
    everywhere = here(store, "roles", "--json").lines
    assert sorted(row["role"] for row in everywhere) == sorted([*ROLES, "ntp-server", "dns-server", "dns-records"])
    plain = here(store, "roles", "node-1")
    assert plain.code == 0
    assert len(plain.out.splitlines()) == len(ROLES) + 1
    unknown = here(store, "roles", "node-7")
    assert unknown.code == 2
    assert "no node node-7" in unknown.err
    assert "node-1" in unknown.err


def test_events(ran: tuple[Path, Ended]) -> None:
    store, run = ran
    assert here(store, "events", "--json").lines == run.lines[:-1]
    seq = len(run.lines) - 1
    assert [line["seq"] for line in here(store, "events", "--json", "--after", str(seq - 3)).lines] == [seq - 2, seq - 1, seq]
    plain = here(store, "events")
    assert plain.code == 0
    assert len(plain.out.splitlines()) == seq


def test_explain(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    (node,) = here(store, "explain", "node-1", "--json").lines
    assert (node["state"], node["open"]) == ("ready", [])
    (role,) = here(store, "explain", "node-1", "raid-configure", "--json").lines
    assert (role["state"], role["stage"], role["why"]) == ("active", "hardware", [])
    (attribute,) = here(store, "explain", "node-1", "raid-configure", "raid-wanted", "--json").lines
    assert [(layer["layer"], layer["value"]) for layer in attribute["layers"] if layer["set"]] == [
        ("default", {"level": "none"}),
        ("deployment", {"level": "raid1"}),
    ]
    for words, expected in (
        (("node-1",), "node-1.rehearsal.test: ready"),
        (("node-1", "raid-configure"), "raid-configure on node-1: active"),
        (("node-1", "raid-configure", "raid-wanted"), "raid1"),
    ):
        plain = here(store, "explain", *words)
        assert plain.code == 0, plain
        assert expected in plain.out
    assert here(store, "explain", "node-1", "raid").code == 2
    assert here(store, "explain", "node-1", "raid-configure", "nothing").code == 2


def test_nobody_holds_the_store_afterwards(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    assert not held(store)


BAD = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, admin: {address: 192.168.124.10}}
networks:
  admin:
    subnet: 192.168.124.0/24
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
deployments:
  cloud:
    attributes:
      raid-wanted: {level: raid7}
    roles: {ntp-clinet: all}
"""


@pytest.mark.parametrize("words", [("plan", "check"), ("rehearse", "--headless", "--plan"), ("replay",)])
def test_a_plan_with_a_mistake_says_where_and_what(store: Path, words: tuple[str, ...]) -> None:
    """Line, path, what was expected, and the nearest that there is."""
    file = store.with_name("bad.yml")
    file.write_text(BAD)
    found = crowbar(store, *words, str(file))
    assert found.code == 2, found
    assert found.out == ""
    said = found.err.splitlines()
    assert any("bad.yml" in line and "11" in line and "ntp-clinet" in line for line in said), found
    assert "ntp-client" in found.err
    assert any("10" in line and "raid-wanted" in line for line in said), found
    assert "raid1" in found.err
    assert "Traceback" not in found.err
    assert not store.exists()


def test_a_plan_that_is_not_there(store: Path) -> None:
    found = crowbar(store, "replay", str(store.with_name("none.yml")))
    assert found.code == 2, found
    assert "none.yml" in found.err
    assert "Traceback" not in found.err


GOOD = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, admin: {address: 192.168.124.10}, trust: network}
approve: {wipe: blank}
networks:
  admin:
    subnet: 192.168.124.0/24
    router: 192.168.124.1
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
  bmc:
    subnet: 192.168.125.0/24
    ranges: {host: 192.168.125.21-192.168.125.160}
rules:
  - {match: {}, group: web, name: "web-{number}"}
deployments:
  cloud:
    attributes: {target-os: debian-12}
    roles: {ready: all}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


def test_replay_of_a_saved_plan(store: Path) -> None:
    plan = store.with_name("plan.yml")
    plan.write_text(GOOD + f"versions: {{plan: 1, barclamps: {{ntp: {{version: 99}}}}, images: {{debian-12: {'a' * 64}}}}}\n")
    told = "barclamp ntp is version 2 here, the plan was saved with 99"
    check = crowbar(store, "plan", "check", str(plan))
    assert check.code == 0, check
    assert f"  {told}\n  image debian-12 is not here, the plan was saved with aaaaaaaaaaaa\n" in check.out
    found = crowbar(store, "replay", str(plan), "--rehearse", "simulated:1", "--json")
    assert found.code == 0, found
    assert found.err.count(told) == 1
    assert "image debian-12" not in found.err, "simulated machines load stand-ins"
    assert (found.summary["ready"], found.summary["waiting"]) == (1, {})
    with Store.read(store) as reader:
        nodes = [n for n in reader.load()["nodes"].values() if n.kind is Kind.SERVER]
    assert [n.name for n in nodes] == ["web-1.r07.example.net"]
    # On a rack that already is what the plan says it does nothing.
    again = crowbar(store, "replay", str(plan), "--rehearse", "simulated:1", "--json")
    assert again.code == 0, again
    assert rack_counts(store)["bmc-logins"] == 0
    assert max(disk["wipes"] for disk in saved_machines(store)[0]["disks"].values()) == 1
    with Store.read(store) as reader:
        assert len(reader.load()["revisions"]) == 1


def test_what_is_not_approved_ends_a_replay_with_the_reason(store: Path) -> None:
    plan = store.with_name("plan.yml")
    plan.write_text(GOOD.replace("approve: {wipe: blank}", "approve: {wipe: nothing}"))
    found = crowbar(store, "replay", str(plan), "--rehearse", "simulated:1", "--json")
    assert found.code == 1, found
    ((_, why),) = found.summary["waiting"].items()
    assert why["code"] == "approval"
    assert why["sentence"]
    (machine,) = saved_machines(store)
    assert not any(disk["wipes"] for disk in machine["disks"].values())


def test_another_rack_beside_the_store_is_refused(ran: tuple[Path, Ended]) -> None:
    store, _ = ran
    found = crowbar(store, "rehearse", "--nodes", "2", "--headless")
    assert found.code == 2, found
    assert "--fresh" in found.err


def test_json_of_the_summary_is_one_line(ran: tuple[Path, Ended]) -> None:
    _, run = ran
    assert json.loads(run.out.splitlines()[-1])["type"] == "summary"
