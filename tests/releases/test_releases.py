"""What people keep of released versions: stores, journals, plans and rehearsal racks. This version opens, upgrades, serves, looks back at
and replays each.

`keep_version.py` made them, at each version's release. A difference here is a broken contract; the files stay as they are.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "core"))
sys.path.insert(2, str(Path(__file__).parents[1] / "e2e"))

from crowbar_process import crowbar, rack_folder, saved_machines, stop_rack
from keep_version import PLANTED, says
from msgspec.structs import replace
from rack import Rack

from crowbar_tui.cli import main
from engine.api.control import Reader
from engine.core.plan.rebind import asked
from engine.core.plan.wanted import Own, Wanted
from engine.core.roles.claims import trusted
from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.definitions import Catalog
from engine.effects import Accept, Welcome
from engine.events import Happened, Hello, SetAttribute
from engine.files.catalog import shipped
from engine.files.mistakes import PlanError
from engine.files.paths import keys_beside
from engine.files.plan_file import read, read_file
from engine.files.plan_write import write
from engine.model import Kind
from engine.plan import Plan
from engine.racks import scenario
from engine.rehearsal.session import _free_lane
from engine.requests import Asker, Request
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.errors import StoreError
from engine.store.journal_file import JournalFile
from engine.store.schema import MIGRATIONS
from engine.store.store import Store
from engine.views.past import Past
from engine.wire.reach import Reach

HERE = Path(__file__).parent
VERSIONS = sorted(path.name.removesuffix(".tar.xz") for path in HERE.glob("*.tar.xz"))
MOST = 300 * 1024
"""Octets of all fixtures together."""


OTHER_DEFAULTS = {"ntp-serve": False}
"""What these attributes had by default in released versions. A role that reads one is stale after the upgrade, and the engine runs it again: that
is no question of the store."""


def then() -> Catalog:
    """The present catalogue with the defaults of the released versions."""
    now = shipped()
    old = {name: replace(now.attributes[name], default=value) for name, value in OTHER_DEFAULTS.items()}
    return replace(now, attributes=now.attributes | old)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kept(version: str, tmp_path: Path) -> Path:
    """A copy of what a version left."""
    for name, content in packed(version).items():
        path = tmp_path / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
    return tmp_path


def packed(version: str) -> dict[str, bytes]:
    with tarfile.open(HERE / f"{version}.tar.xz") as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


@pytest.fixture
def golden(version: str) -> Any:
    return json.loads((HERE / f"{version}.json").read_text(encoding="utf-8"))


def told(journal: Any) -> Any:
    """What this version says of a journal, as the golden file has it."""
    past = Past(journal, then())
    while past.read():
        pass
    return json.loads(json.dumps(says(past.world(past.last), past)))


def test_this_version_s_fixtures_are_there_and_small() -> None:
    assert {"0.1.0", "0.2.0"} <= set(VERSIONS)
    assert sum(path.stat().st_size for path in HERE.glob("[0-9]*")) < MOST


def test_a_store_is_opened_and_says_what_it_said(kept: Path, golden: Any) -> None:
    with Store.open(kept / "store") as store:
        assert store.verify() == []
        world = load_world(then(), store.load())
        past = Past(store, then())
        while past.read():
            pass
        assert json.loads(json.dumps(says(world, past))) == golden
    with Store.open(kept / "store") as again:
        assert again.verify() == []


def test_only_roles_with_other_defaults_run_again_after_an_upgrade(kept: Path) -> None:
    with Store.open(kept / "store") as store:
        before, after = (load_world(catalog, store.load()) for catalog in (then(), shipped()))
    readers = {role for name in OTHER_DEFAULTS for role in shipped().readers[name]}
    assert {key[1] for key in set(after.stale) - set(before.stale)} <= readers


def test_an_upgraded_store_can_be_looked_back_at(kept: Path, golden: Any) -> None:
    Store.open(kept / "store").close()
    with Store.read(kept / "store") as store:
        assert told(store) == golden


def test_an_exported_journal_can_be_looked_back_at(kept: Path, golden: Any, version: str) -> None:
    journal = JournalFile(kept / "journal.jsonl.gz")
    try:
        assert told(journal) == golden
        assert journal.head.program == version
    finally:
        journal.close()


def test_a_reader_does_not_upgrade(kept: Path) -> None:
    """Only an engine does. A reader shows what it can read, or says who has to come first."""
    database = kept / "store" / "store.db"
    before = database.read_bytes()
    if sqlite_version(database) < len(MIGRATIONS):
        with pytest.raises(StoreError, match="start the engine on it once"):
            Store.read(kept / "store")
    else:
        Store.read(kept / "store").close()
    assert database.read_bytes() == before


def sqlite_version(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as conn:
        return int(conn.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def engine(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.delenv("CROWBAR_BMC_PASSWORD", raising=False)  # the sealed one is what counts
    store = kept / "store"
    made = Engine(Config(store=store, keys=keys_beside(store), reach=Reach(_free_lane("10.0.0.1", str(store)))))
    made.start()
    yield made
    made.stop()


def test_an_engine_serves_it(kept: Path, golden: Any, engine: Engine) -> None:
    before = golden["now"]
    assert engine.failure == ""
    assert set(before["nodes"]) <= set(engine.world.nodes)
    for node in engine.world.nodes.values():  # the start has bound what this version wants
        own = Wanted(engine.world).own(node, asked(engine.world, node))
        assert isinstance(own, Own)
        bound = [engine.world.node_roles[key] for key in engine.world.roles_of.get(node.id) or ()]
        assert {role.role for role in bound if not role.kept} == set(own.roles)
    kept_roles = {tuple(key.split("/", 1)) for key in before["roles"]} & set(engine.world.node_roles)
    assert len(kept_roles) > len(before["roles"]) * 9 // 10
    assert engine.adapters.vault.needed("bmc-password") == PLANTED
    answer = engine.ask(SetAttribute(who="ada", layer="operator", scope="n1", name="ntp-upstream", value=["10.0.0.3"]))
    assert isinstance(answer, Accept)
    assert engine.wait(golden["journal"]["last"] + 1, 60.0) > golden["journal"]["last"]
    engine.stop()
    with Store.open(kept / "store") as store:
        assert store.verify() == []
        values = store.load()["attributes"]
    assert sqlite_version(kept / "store" / "store.db") == len(MIGRATIONS)
    assert values[("operator", "n1", "ntp-upstream")].value == ["10.0.0.3"]  # type: ignore[union-attr]


def test_its_keys_stay(kept: Path, engine: Engine, version: str) -> None:
    """Machines trust the site's authority, and systems hold the SSH key: other ones would shut the engine out."""
    before = packed(version)
    for name in ("ca.crt", "ca.key", "engine_ed25519", "seal.key", "site.key"):
        assert (kept / "store.keys" / name).read_bytes() == before[f"store.keys/{name}"], name


def test_its_installed_systems_keep_their_credentials(kept: Path, engine: Engine) -> None:
    """These name no installation. They count until the node is installed again, and the systems stay trusted."""
    installed = [n for n in engine.world.nodes.values() if n.kind is Kind.SERVER and n.host_key]
    assert installed
    for node in installed:
        assert (node.installation, node.installing) == ("", "")
        known = engine.adapters.keys.check_credential(engine.adapters.keys.credential(node.id))
        assert known is not None
        work = Work(engine.world)
        said = Hello(
            request=Request(Asker.HTTP, 1),
            credential=known[0],
            installation=known[1],
            boot_id="of-an-older-version",
            environment="debian-12",
            uuid=node.uuid,
            serial=node.serial,
            macs=node.macs,
        )
        step(work, Happened(2e9, work.meta.now, said))
        assert [e.node for e in work.effects if isinstance(e, Welcome)] == [node.id]
        world = work.finish()
        assert world.plan is not None
        assert world.plan.site.trust == "confirmed"
        assert trusted(world, world.nodes[node.id])


def test_the_commands_read_it(kept: Path, golden: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(kept / "store").close()
    for words in (
        ["nodes", "--json"],
        ["roles", "--json"],
        ["status"],
        ["events"],
        ["plan", "revisions"],
        ["plan", "show"],
        ["plan", "save"],
    ):
        assert main(["--store", str(kept / "store"), *words]) == 0, (words, capsys.readouterr())
        out = capsys.readouterr().out
        if words[0] == "nodes":
            rows = {row["id"]: row["state"] for row in map(json.loads, out.splitlines())}
            assert rows == {name: node["state"] for name, node in golden["now"]["nodes"].items() if node["kind"] in ("server", "joined")}
    with Reader(kept / "store") as reader:
        plan, saved = reader.plan, reader.saved_plan()
    for one in (plan, saved):
        assert one is not None
        assert read(write(one), "plan.yml", shipped()) == one


def test_no_secret_is_in_it(kept: Path) -> None:
    """But for the planted one, which only the vault can open."""
    for path in kept.rglob("*"):
        if path.is_file() and path.name != "sealed.json":
            assert PLANTED.encode() not in path.read_bytes(), path


def plans(kept: Path) -> list[Path]:
    found = sorted((kept / "plans").glob("*.yml"))
    assert len(found) >= 5
    return found


def test_every_plan_is_read_and_committed(kept: Path) -> None:
    for path in plans(kept):
        plan = read_file(path, shipped())
        assert read(write(plan), "plan.yml", shipped()) == plan
        rack = Rack(shipped(), plan, nodes=0, check=False)
        assert isinstance(rack.world.plan, Plan), path
        assert rack.world.plan.deployments == plan.deployments
        assert len(rack.world.revisions) == 1


TWO_CABLES = {"first-day.yml": r"faults.m2: m6 and m2 would both be in tor2:swp6: a port takes one cable"}
"""Scenarios that put two cables into one port of a rack of twelve. Racks without the other machine take them."""


def test_every_scenario_is_read(kept: Path) -> None:
    found = sorted((kept / "scenarios").glob("*.yml"))
    assert len(found) >= 10
    for path in found:
        text = path.read_text(encoding="utf-8")
        if path.name in TWO_CABLES:
            with pytest.raises(PlanError, match=TWO_CABLES[path.name]):
                scenario.read(text, path.name, 12)
        scenario.read(text, path.name, 5 if path.name in TWO_CABLES else 12)


# -- replay, by the real command -----------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A store that is not there yet. Its rack ends with the test."""
    store = tmp_path / "fresh"
    yield store
    stop_rack(store)


def replayed(store: Path, plan: Path, nodes: int) -> list[str]:
    """The names of the servers after a replay of the plan on a rack of so many simulated machines."""
    # The versions that kept these plans knew no claims: their racks prove nothing.
    known = read_file(plan, shipped())
    plan = plan.with_name(f"trusting-{plan.name}")
    plan.write_text(write(replace(known, site=replace(known.site, trust="network"))), encoding="utf-8")
    words = ("replay", str(plan), "--rehearse", f"simulated:{nodes}", "--network", "loopback", "--json")
    done = crowbar(store, *words, CROWBAR_BMC_PASSWORD="rehearsal")
    assert done.code == 0, done
    assert (done.summary["ready"], done.summary["failed"], done.summary["waiting"]) == (nodes, 0, {}), done
    listed = crowbar(store, "nodes", "--json")
    assert {row["state"] for row in listed.lines} == {"ready"}, listed
    return sorted(row["name"] for row in listed.lines)


def test_a_kept_plan_is_replayed_on_a_kept_rack(kept: Path, fresh: Path, version: str) -> None:
    rack = (HERE / f"{version}.rack.yml").read_text(encoding="utf-8")
    lane = _free_lane("192.168.124.10", str(fresh), "192.168.124.1")
    folder = rack_folder(fresh)
    folder.mkdir()
    (folder / "rack.yml").write_text(rack.replace("lane: 1\n", f"lane: {lane}\n"), encoding="utf-8")
    names = replayed(fresh, kept / "plans" / "six-nodes.yml", 2)
    assert names == ["control-10.rehearsal.test", "control-11.rehearsal.test"]
    assert len(saved_machines(fresh)) == 2


def test_the_plan_of_a_kept_store_is_replayed(kept: Path, fresh: Path, golden: Any) -> None:
    """What its journal committed last, saved by this version, makes nodes of the same kind on another rack."""
    Store.open(kept / "store").close()
    saved = crowbar(kept / "store", "plan", "save")
    assert saved.code == 0, saved
    plan = kept / "saved.yml"
    plan.write_text(saved.out, encoding="utf-8")
    names = replayed(fresh, plan, 4)
    domain = {node["name"].partition(".")[2] for node in golden["now"]["nodes"].values() if node["kind"] == "server"}
    assert {name.partition(".")[2] for name in names} == domain
    with Store.read(fresh) as store:
        attributes = store.load()["attributes"]
    value = attributes[("deployment", "cloud", "target-os")].value  # type: ignore[union-attr]
    assert value == golden["now"]["attributes"]["deployment cloud target-os"][0]
