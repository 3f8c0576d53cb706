"""`crowbar node`, `role` and `commit` against a running engine, and what they say where none runs."""

from __future__ import annotations

import getpass
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_store import PLAN, Run, objects
from msgspec.structs import replace

from engine.attach.client import Attached, Receipt
from engine.effects import Accept
from engine.events import Happened, Tick
from engine.model import Kind, State
from engine.runtime.engine import Engine
from engine.store.store import Store


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def node(engine: Engine, name: str) -> Any:
    return engine.world.node_named(name)


def test_hold_and_release(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("node", "control-10", "hold")
    assert (code, out) == (0, "control-10.r1.test is on hold: the engine starts nothing new on it\n")
    assert node(engine, "control-10").hold
    assert crowbar("node", "control-10", "release")[0] == 0
    assert not node(engine, "control-10").hold
    rows = [row for row in engine.reader().journal(0) if row.event == "Operate"]
    assert [(r.fields["verb"], r.fields["who"]) for r in rows] == [("hold", getpass.getuser()), ("release", getpass.getuser())]


def test_several_nodes_and_one_refusal(engine: Engine, crowbar: Run) -> None:
    crowbar("node", "compute-11", "hold")
    code, out, _ = crowbar("node", "compute-11,compute-12", "release", "--json")
    assert code == 1
    first, second = objects(out)
    assert (first["type"], first["node"]) == ("receipt", "compute-11")
    assert (second["type"], second["node"], second["code"]) == ("refusal", "compute-12", "illegal")
    assert second["sentence"] == "release is not possible: node compute-12.r1.test is not on hold"


def test_all_and_groups(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("node", "--group", "compute", "hold", "--json")
    assert code == 0
    assert [x["node"] for x in objects(out)] == ["compute-11.r1.test", "compute-12.r1.test"]
    assert not node(engine, "control-10").hold
    assert len(objects(crowbar("node", "--all", "unavailable", "--json")[1])) == 3
    assert not node(engine, "control-10").available
    code, _, err = crowbar("node", "--group", "nothing", "hold")
    assert (code, err) == (2, "crowbar: no server is in group nothing\n")


def test_the_whole_rack_is_rebuilt_by_one_command(engine: Engine, crowbar: Run) -> None:
    code, out, err = crowbar("redeploy", "--json")
    assert code == 1
    assert [(one["type"], one["node"], len(one["disks"])) for one in objects(out)] == [
        ("would-destroy", f"{name}.r1.test", 2) for name in ("control-10", "compute-11", "compute-12")
    ]
    assert not any(node(engine, one).intent.fresh for one in ("control-10", "compute-11"))
    code, out, _ = crowbar("redeploy", "--deployment", "cloud", "--yes", "--json")
    assert (code, [one["type"] for one in objects(out)]) == (0, ["receipt"] * 3)
    assert all(engine.world.node_roles[(node(engine, one).id, "os-install")].state is State.WAITING for one in ("control-10", "compute-12"))
    code, _, err = crowbar("redeploy", "--deployment", "clouds")
    assert (code, err) == (2, "crowbar: there is no deployment clouds; known: cloud, system\n")


def test_an_unknown_node_is_refused_with_those_that_are_near(engine: Engine, crowbar: Run) -> None:
    code, _, err = crowbar("node", "compute-13", "hold")
    assert code == 1
    assert err.startswith("crowbar: compute-13: there is no node compute-13\n  try: known: compute-1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["n1", "hodl"], "hodl is not a verb for nodes; did you mean hold?"),
        (["n1"], "a verb is missing: "),
        ([",", "hold"], "name a node, or use --all or --group"),
        (["n1", "power"], "power needs a value: on, off, cycle, soft or status"),
        (["n1", "replace"], "replace needs a value: the new node"),
        (["n1", "hold", "now"], "too many words after hold: now"),
        (["n1,n2", "merge", "n3"], "merge takes only one node"),
        (["n1", "identify", "soon"], "identify takes a number of seconds, not soon"),
    ],
)
def test_bad_use(crowbar: Run, words: list[str], said: str) -> None:
    code, out, err = crowbar("node", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"crowbar: {said}")


@pytest.mark.parametrize("verb", ["reinstall", "redeploy", "reset", "install"])
def test_what_destroys_names_the_disks_and_does_nothing(engine: Engine, crowbar: Run, verb: str) -> None:
    before = engine.world
    code, out, err = crowbar("node", "control-10", verb)
    assert code == 1
    assert "DISK1A" in out
    assert "480 GB" in out
    assert err == f"nothing was changed: to {verb}, add --yes\n"
    told = objects(crowbar("node", "--group", "compute", verb, "--json")[1])
    assert [(x["type"], x["disks"][0]["serial"]) for x in told] == [("would-destroy", "DISK2A"), ("would-destroy", "DISK3A")]
    if verb == "reinstall":
        for one in told:
            (lost,), (kept,) = one["disks"], one["kept"]
            assert (lost["name"], lost["use"], lost["signature"]) == ("sda", "sda, debian-12", "gpt"), "an installed disk is never blank"
            assert (kept["name"], kept["why"]) == ("sdb", "sda comes first: it is the first by name")
            assert (one["asked"], one["not_asked"]["code"]) == (False, "disks_not_seen"), "nobody answers by SSH here"
            assert one["as_of"] > 0
        assert "not asked now" in out
        assert "not taken: sda comes first" in out
    assert [r for r in engine.reader().journal(0) if r.event == "Operate"] == []
    servers = [key for key in before.node_roles if before.nodes[key[0]].kind is Kind.SERVER]
    assert [engine.world.node_roles.get(key) for key in servers] == [before.node_roles[key] for key in servers]


def test_reinstall_with_yes(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("node", "control-10", "reinstall", "--yes")
    assert (code, out) == (0, "the engine installs control-10.r1.test again\n")
    found = node(engine, "control-10")
    assert engine.world.node_roles[(found.id, "os-install")].state is State.WAITING
    assert engine.world.node_roles[(found.id, "os-install")].approved == getpass.getuser()


def test_a_role(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("role", "control-10", "ntp-client", "skip")
    assert (code, out) == (0, "ntp-client on control-10.r1.test is skipped; roles that need it continue\n")
    code, _, err = crowbar("role", "control-10", "ntp-clint", "retry")
    assert code == 1
    assert "there is no role on control-10.r1.test named ntp-clint" in err
    assert "ntp-client" in err
    code, out, err = crowbar("role", "control-10", "os-install", "redeploy")
    assert (code, "DISK1A" in out) == (1, True)
    assert err == "nothing was changed: to redeploy of os-install, add --yes\n"
    assert crowbar("role", "control-10", "os-install", "explode")[0] == 2


def test_explain_says_why_each_disk_is_not_taken(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("explain", "control-10")
    assert code == 0
    assert "disks:\n  sda " in out
    assert "not taken: sda comes first: it is the first by name" in out
    (told,) = objects(crowbar("explain", "control-10", "--json")[1])
    assert [(d["name"], d["chosen"], bool(d["why"])) for d in told["disks"]] == [("sda", True, False), ("sdb", False, True)]


def test_power_is_answered_by_what_the_bmc_says(engine: Engine, crowbar: Run) -> None:
    """Nobody answers at the BMC's address here: that is a refusal with the address, and the node is not parked."""
    code, out, _ = crowbar("node", "control-10", "power", "off", "--json")
    (refusal,) = objects(out)
    assert (code, refusal["type"], refusal["code"], refusal["fields"]["address"]) == (1, "refusal", "power_failed", "10.0.1.1")
    until(lambda: node(engine, "control-10").off is None)
    assert [r.fields["failure"]["code"] for r in engine.reader().journal(0) if r.event == "PowerSet"] == ["power_failed"]


def test_no_engine(crowbar: Run, store: Path) -> None:
    for words in (["node", "n1", "hold"], ["role", "n1", "ready", "retry"]):
        code, out, err = crowbar(*words)
        assert (code, out) == (1, "")
        assert err == f"crowbar: no engine runs on {store}: start one with `crowbar engine` or open the console with `crowbar`\n"


# -- commit --------------------------------------------------------------------------------------------------------


def test_commit(engine: Engine, crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "more.yml"
    file.write_text(PLAN.replace("level: raid1", "level: raid10"), encoding="utf-8")
    assert crowbar("commit", str(file))[:2] == (0, "committed\n")
    assert engine.world.revisions[2].who == getpass.getuser()
    assert crowbar("commit", str(file))[0] == 0
    assert 3 not in engine.world.revisions, "the same plan again changes nothing"


def test_commit_of_what_is_no_plan(engine: Engine, crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text(PLAN.replace("ntp-client: all", "ntp-clint: all"), encoding="utf-8")
    code, _, err = crowbar("commit", str(file))
    assert code == 2
    assert "did you mean 'ntp-client'?" in err
    with Attached(engine.config.store) as attached:
        answer = attached.commit(file.read_text(encoding="utf-8"), "bad.yml")
    assert not isinstance(answer, Receipt)
    assert answer.code == "bad_plan"
    assert 2 not in engine.world.revisions


def test_a_commit_without_its_secret_is_refused(engine: Engine, crowbar: Run, tmp_path: Path) -> None:
    file = tmp_path / "secret.yml"
    file.write_text(PLAN.replace("env: CROWBAR_BMC_PASSWORD", "env: CROWBAR_NOT_SET"), encoding="utf-8")
    code, out, _ = crowbar("commit", str(file), "--json")
    assert (code, objects(out)[0]["code"]) == (1, "not_committed")
    assert "CROWBAR_NOT_SET" in objects(out)[0]["sentence"]


# -- the engine's side of the socket --------------------------------------------------------------------------------


def test_health_progress_and_wait(engine: Engine) -> None:
    engine.last_values.progress("n1", 40.0, "vd0")
    with Attached(engine.config.store) as attached:
        health = attached.health()
        assert isinstance(health, Receipt)
        assert health.result["failure"] == ""
        assert health.result["seq"] >= 1
        assert set(health.result["waiting"]) == {"outcomes", "agents", "packets"}
        progress = attached.progress()
        assert isinstance(progress, Receipt)
        assert progress.result["nodes"]["n1"]["percent"] == 40.0
        seq = progress.result["seq"]
        later = threading.Timer(0.1, lambda: attached_hold(engine))
        later.start()
        woken = attached.wait(seq, 20.0)
        later.join()
    assert isinstance(woken, Receipt)
    assert woken.result["seq"] > seq


def attached_hold(engine: Engine) -> None:
    with Attached(engine.config.store) as other:
        other.operate("hold", "control-10")


def test_stop_is_asked_of_who_started_it(engine: Engine) -> None:
    assert not engine.stop_asked.is_set()
    with Attached(engine.config.store) as attached:
        assert attached.stop() == Receipt(message="the engine stops")
    assert engine.stop_asked.is_set()
    engine.stop()
    assert not (engine.config.store / "engine.sock").exists()


@pytest.fixture
def claims(store: Path) -> None:
    """What runs on two of the nodes said hello from memory a moment ago, and nothing has confirmed it."""
    with Store.open(store) as kept:
        found = {str(n.name).split(".")[0]: n for n in kept.load()["nodes"].values()}  # type: ignore[union-attr]
        rows = [
            ("nodes", n.id, replace(n, runs="sledgehammer", claim="h", fingerprint=f"0a1b-000{number}"))
            for number, n in enumerate((found["control-10"], found["compute-11"]), 1)
        ]
        kept.commit([(Happened(2000.0, 1e5, Tick(subjects=())), rows)])


@pytest.mark.usefixtures("claims")
def test_a_claim_is_confirmed_by_its_fingerprint(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("nodes", "--json")
    shown = {row["node"].split(".")[0]: (row["fingerprint"], row["confirmed"]) for row in objects(out)}
    assert (code, shown["control-10"], shown["compute-12"]) == (0, ("0a1b-0001", ""), ("", ""))
    code, _, err = crowbar("node", "control-10", "confirm", "0a1b-0002")
    assert code == 1
    assert err.startswith(
        "crowbar: control-10: 0a1b-0002 is not the fingerprint of what runs on control-10.r1.test now\n  try: compare it again"
    )
    assert crowbar("node", "control-10", "confirm")[2].startswith("crowbar: confirm needs a value: the fingerprint")
    code, out, _ = crowbar("node", "control-10", "confirm", "0A1B0001")
    assert (code, out) == (0, "control-10.r1.test is confirmed until its next boot: it may receive secrets\n")
    assert node(engine, "control-10").confirmed == "operator"
    assert "claim: fingerprint 0a1b-0001, confirmed by an operator" in crowbar("explain", "control-10")[1]
    assert node(engine, "compute-11").confirmed == ""
    # What has no claim cannot be confirmed.
    code, _, err = crowbar("node", "compute-12", "confirm", "0a1b-0001")
    assert (code, "confirm is not possible" in err) == (1, True)


def test_the_status_says_that_the_network_is_trusted(engine: Engine, crowbar: Run) -> None:
    assert "the plan says site.trust: network: machines get secrets without a proof of what they are" in crowbar("status")[1]
    assert objects(crowbar("status", "--json")[1])[0]["trust"] == "network"
    answer = engine.commit(replace(engine.world.plan, site=replace(engine.world.plan.site, trust="confirmed")), "op")
    assert isinstance(answer, Accept)
    assert "trust" not in crowbar("status")[1]
    assert objects(crowbar("status", "--json")[1])[0]["trust"] == "confirmed"
