"""Imports into a site's catalogue: checked together, atomic, with versions; and taken back unless something uses them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from clamp_rig import TEXT, archive, barclamp, folder, tree
from rack import Rack

from engine.api.barclamps import (
    BarclampError,
    InUse,
    check,
    copy_site,
    from_path,
    import_source,
    imports,
    remove,
    same_site,
    site_catalog,
    versions,
)
from engine.api.control import Reader
from engine.core.plan.diff import diff
from engine.core.world.load import load_world
from engine.events import Commit, Happened
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.clamps.index import locked
from engine.files.clamps.shelf import sweep
from engine.files.mistakes import CatalogError
from engine.store.journal_file import JournalFile
from engine.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
PLAN = """\
crowbar: 1
site: {name: r1, domain: r1.example.net, trust: network, admin: {address: 10.0.0.1}}
approve: {wipe: blank}
networks:
  admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.250}}
  bmc: {subnet: 10.0.1.0/24, conduit: bmc}
rules: [{match: {}, name: "node-{number}"}]
deployments:
  cloud: {roles: {web-role: all}, attributes: {web-word: hello}}
"""


@pytest.fixture()
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def bring(store: Path, name: str = "web", version: str = "1", text: str = TEXT) -> None:
    place = folder(store.parent / f"in-{name}-{version}", barclamp(name, version, text), name)
    import_source(store, from_path(place))


def committed(store: Path, plan: str = PLAN) -> None:
    """A store whose plan in force names `web-role` and `web-word`."""
    catalog = site_catalog(store)
    rack = Rack(catalog, plan_file.read(plan, "plan.yml", catalog), nodes=1, seed=1)
    rack.run()
    rows = [(table, key, row) for table, records in rack.tables.items() for key, row in records.items()]
    with Store.open(store) as made:
        made.commit([(Happened(1000.0, rack.now, Commit(who="test", plan=rack.plan)), rows)])


def test_an_import_is_part_of_the_catalogue(store: Path) -> None:
    assert site_catalog(store) == shipped()
    bring(store)
    catalog = site_catalog(store)
    assert catalog.roles.keys() - shipped().roles.keys() == {"web-role"}
    assert catalog.barclamps["web"].origin == f"folder {store.parent}/in-web-1/web"
    assert {one.origin for name, one in catalog.barclamps.items() if name != "web"} == {"shipped"}
    assert Path(catalog.folders["web"], "roles/web-role/run").stat().st_mode & 0o777 == 0o755
    plan_file.read(PLAN, "plan.yml", catalog)
    with pytest.raises(plan_file.PlanError, match="unknown role 'web-role'"):
        plan_file.read(PLAN, "plan.yml", shipped())


def test_versions_of_a_catalogue(store: Path) -> None:
    bring(store)
    found = versions(site_catalog(store))
    assert found["web"] == ("1", imports(store)[0].sha256)
    assert len(found["web"][1]) == 64
    assert {name: one for name, one in found.items() if name != "web"} == versions(shipped())
    assert list(found) == sorted(found)
    remove(store, "web")
    bring(store, version="2", text=TEXT + "# more\n")
    assert versions(site_catalog(store))["web"][0] == "2"
    assert versions(site_catalog(store))["web"][1] != found["web"][1]


def test_the_highest_version_counts(store: Path) -> None:
    for version in ("1.9", "1.10", "1.2"):
        bring(store, version=version)
    assert [one.version for one in imports(store)] == ["1.2", "1.9", "1.10"]
    assert site_catalog(store).barclamps["web"].version == "1.10"
    remove(store, "web", "1.10")
    assert site_catalog(store).barclamps["web"].version == "1.9"
    done = remove(store, "web")
    assert [one.version for one in done.barclamps] == ["1.2", "1.9"]
    assert site_catalog(store) == shipped()
    assert tree(store).keys() == {"barclamps/index.json"}


def test_an_older_version_is_kept_and_told(store: Path, tmp_path: Path) -> None:
    bring(store, version="2")
    done = import_source(store, from_path(folder(tmp_path / "x", barclamp())))
    assert [one.version for one in done.idle] == ["1"]
    assert site_catalog(store).barclamps["web"].version == "2"


def test_the_same_again_changes_nothing(store: Path, tmp_path: Path) -> None:
    bring(store)
    before = tree(store)
    done = import_source(store, from_path(archive(tmp_path / "web.tgz", {f"web/{k}": v for k, v in barclamp().items()})))
    assert (len(done.barclamps), done.new) == (1, ())
    assert tree(store) == before


def refused(store: Path, place: Path, kind: type[Exception] = BarclampError) -> str:
    """The message; nothing in the store changed."""
    before = tree(store)
    with pytest.raises(kind) as caught:
        import_source(store, from_path(place))
    assert tree(store) == before
    return str(caught.value).replace(str(store.parent), "")


def test_conflicts_are_refused(store: Path, tmp_path: Path) -> None:
    bring(store)
    other = folder(tmp_path / "other", barclamp(text=TEXT + "# changed\n"))
    assert refused(store, other) == (
        "barclamp web 1 is there with other content, from folder /in-web-1/web: raise its version, or crowbar barclamp remove web --version 1"
    )
    own = folder(tmp_path / "own", barclamp("ntp"), "ntp")
    assert refused(store, own) == "barclamp ntp is shipped with the program: give yours another name"
    role = folder(
        tmp_path / "role",
        {"barclamp.yml": b"barclamp: {name: db, version: 1}\nroles: [{name: web-role, stage: system, jig: noop}]\n"},
        "db",
    )
    assert refused(store, role, CatalogError) == "/role/db/barclamp.yml:2: roles.0.name: role 'web-role' already exists, in barclamp web"
    attribute = b"barclamp: {name: db, version: 1}\nattributes: [{name: ntp-server, path: web/word/more, schema: {}}]\n"
    path = folder(tmp_path / "path", {"barclamp.yml": attribute.replace(b"ntp-server", b"db-x")}, "db")
    assert refused(store, path, CatalogError) == (
        "/path/db/barclamp.yml:2: attributes.0.path: path 'web/word/more' overlaps the path of attribute 'web-word', 'web/word'"
    )
    twice = folder(tmp_path / "twice", {"barclamp.yml": attribute.replace(b"ntp-server", b"web-word")}, "db")
    assert refused(store, twice, CatalogError) == (
        "/twice/db/barclamp.yml:2: attributes.0.name: attribute 'web-word' already exists, in barclamp web"
    )


def test_of_several_barclamps_all_or_none_are_imported(store: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    folder(both, barclamp("db"), "db")
    folder(both, barclamp(text=TEXT.replace("os-install", "db-rol")))
    assert "unknown role 'db-rol'" in refused(store, both, CatalogError)
    folder(both, barclamp(text=TEXT.replace("os-install", "db-role")))
    import_source(store, from_path(both))
    assert {"web", "db"} <= site_catalog(store).barclamps.keys()
    with pytest.raises(BarclampError, match="cannot remove db, because what is left would be wrong:\n.*unknown role 'db-role'"):
        remove(store, "db")
    remove(store, "web")
    remove(store, "db")


def test_what_cannot_be_removed(store: Path) -> None:
    for name, version, said in (
        ("ntp", "", "barclamp ntp is shipped with the program, so it cannot be removed"),
        ("wep", "", "no barclamp wep was imported; imported: none"),
    ):
        with pytest.raises(BarclampError) as caught:
            remove(store, name, version)
        assert str(caught.value) == said
    assert not store.exists()
    bring(store)
    for name, version, said in (
        ("wep", "", "no barclamp wep was imported; did you mean web?"),
        ("web", "3", "there is no version 3 of barclamp web; imported: 1"),
    ):
        with pytest.raises(BarclampError) as caught:
            remove(store, name, version)
        assert str(caught.value) == said


def test_a_role_that_only_a_rule_names_stays(store: Path) -> None:
    bring(store)
    plan = PLAN.replace("{match: {},", "{match: {}, roles: {web-role: {attributes: {}}},").replace(
        "web-role: all}, attributes: {web-word: hello}", "ready: all}"
    )
    committed(store, plan)
    with pytest.raises(InUse, match="cannot remove web: the plan in force names role web-role in rule 1. Commit a plan"):
        remove(store, "web")


def test_what_the_plan_in_force_names_stays(store: Path, tmp_path: Path) -> None:
    bring(store)
    committed(store)
    before = tree(store / "barclamps")
    with pytest.raises(InUse) as caught:
        remove(store, "web")
    assert str(caught.value) == (
        "cannot remove web: the plan in force names role web-role in deployment cloud; the plan in force has "
        "deployments.cloud.attributes.web-word: unknown attribute 'web-word'; role web-role is on node-1.r1.example.net. "
        "Commit a plan without these first"
    )
    newer = folder(tmp_path / "newer", barclamp(version="2", text=TEXT.replace("type: string", "enum: [x, y]")))
    with pytest.raises(
        InUse, match=r"cannot import: the plan in force has deployments\.cloud\.attributes\.web-word: expected one of x, y, not 'hello'"
    ):
        import_source(store, from_path(newer))
    gone = folder(
        tmp_path / "gone", barclamp(version="2", text=TEXT.replace("NAME-role", "NAME-other")) | {"roles/web-other/run": b"#!/bin/sh\n"}
    )
    with pytest.raises(InUse, match="cannot import: the plan in force names role web-role in deployment cloud"):
        import_source(store, from_path(gone))
    assert tree(store / "barclamps") == before
    bring(store, version="3")
    remove(store, "web", "1")
    with pytest.raises(InUse):
        remove(store, "web")


def test_a_running_engine_keeps_the_files_that_it_uses(store: Path) -> None:
    bring(store)
    scripts = Path(site_catalog(store).folders["web"])
    with Store.open(store):
        assert remove(store, "web").running
        assert (scripts / "roles/web-role/run").is_file()
        assert "web" not in site_catalog(store).barclamps
        bring(store, version="2")
        assert (scripts / "roles/web-role/run").is_file()
    bring(store, version="3")
    assert not scripts.exists()


def test_a_changed_import_is_noticed_and_mended(store: Path) -> None:
    bring(store)
    run = Path(site_catalog(store).folders["web"], "roles/web-role/run")
    changes: tuple[Callable[[], object], ...] = (
        lambda: run.write_text("#!/bin/sh\nrm -rf /\n"),
        run.unlink,
        lambda: run.with_name("more").write_text(""),
    )
    for change in changes:
        change()
        with pytest.raises(CatalogError, match="web/barclamp.yml:1: barclamp 'web' 1 is not what was imported: import it again"):
            site_catalog(store)
        bring(store)
        assert versions(site_catalog(store))["web"][0] == "1"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"crowbar": 2}', '{"barclamps": [{"name": "../x", "version": "1", "sha256": "", "origin": "", "at": 0}]}']
)
def test_a_damaged_list_of_imports_is_refused(store: Path, text: str) -> None:
    bring(store)
    (store / "barclamps/index.json").write_text(text)
    with pytest.raises(CatalogError, match=r"index\.json:1: this list of imports cannot be used .*: restore a copy of it, or move it away"):
        site_catalog(store)


def test_a_rehearsal_has_the_barclamps_of_its_site(store: Path, tmp_path: Path) -> None:
    bring(store)
    (store / "stages.yml").write_text((ROOT / "engine/stages.yml").read_text())
    other = tmp_path / "rehearsal"
    assert not same_site(store, other)
    copy_site(store, other)
    assert same_site(store, other)
    assert versions(site_catalog(other)) == versions(site_catalog(store))
    remove(store, "web")
    (store / "stages.yml").unlink()
    copy_site(store, other)
    assert same_site(store, other)
    assert site_catalog(other) == shipped()


# -- a kill at any moment ------------------------------------------------------------------------------------------

CALLS = ("open", "rename", "replace", "mkdir", "fsync", "unlink", "rmdir")


def killed(at: int, do: Callable[[], object]) -> bool:
    """Does it in a process of its own, which dies at its n-th call that writes. False: it came to its end before."""
    child = os.fork()
    if child == 0:
        left = at

        def deadly(real: Callable[..., object]) -> Callable[..., object]:
            def call(*words: object, **more: object) -> object:
                nonlocal left
                left -= 1
                return real(*words, **more) if left else os._exit(9)

            return call

        for name in CALLS:
            setattr(os, name, deadly(getattr(os, name)))
        try:
            do()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def test_a_kill_leaves_the_catalogue_before_or_after(tmp_path: Path) -> None:
    """Two barclamps that need each other: never one of them. What is left over goes with the next import."""
    both = tmp_path / "both"
    folder(both, barclamp("db"), "db")
    folder(both, barclamp(text=TEXT.replace("os-install", "db-role")))
    source = from_path(both)
    seen = set()
    for at in range(1, 400, 4):
        store = tmp_path / f"store{at}"
        died = killed(at, lambda store=store: import_source(store, source))
        found = site_catalog(store).barclamps.keys() & {"db", "web"}
        assert found in (set(), {"db", "web"}), at
        seen.add((died, bool(found)))
        if at % 3 == 0:
            import_source(store, source)
            assert versions(site_catalog(store)).keys() >= {"db", "web"}
        else:
            with locked(store):
                sweep(store)
        assert not [path for path in (store / "barclamps").iterdir() if path.name.startswith(".new")]
        if not died:
            break
    assert {(True, False), (False, True)} <= seen


def test_a_kill_while_an_import_is_removed(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", barclamp())
    for at in range(1, 60, 3):
        store = tmp_path / f"store{at}"
        import_source(store, from_path(source))
        died = killed(at, lambda store=store: remove(store, "web"))
        assert (site_catalog(store).barclamps.keys() & {"web"}) in (set(), {"web"})
        sweep(store)
        left = {path.parts[1] for path in map(Path, tree(store))}
        assert left == ({"index.json", "web"} if imports(store) else {"index.json"})
        if not died:
            assert not imports(store)
            break
    else:
        pytest.fail("it never came to its end")


def test_imports_at_the_same_time_do_not_lose_each_other(store: Path, tmp_path: Path) -> None:
    places = [folder(tmp_path / f"in{i}", barclamp(f"web{i}"), f"web{i}") for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda place: import_source(store, from_path(place)), places))
    assert {one.name for one in imports(store)} == {f"web{i}" for i in range(6)}
    assert {f"web{i}-role" for i in range(6)} <= site_catalog(store).roles.keys()


def test_of_two_processes_with_other_content_one_imports(store: Path, tmp_path: Path) -> None:
    """The same version at the same time: one counts, the other is refused, and says from where the first one came."""
    for attempt in range(5):
        place = store / str(attempt)
        children = []
        for mine in ("a", "b"):
            source = from_path(folder(tmp_path / f"{mine}{attempt}", barclamp(text=TEXT + f"# {mine}\n")))
            child = os.fork()
            if not child:
                try:
                    import_source(place, source)
                    os._exit(0)
                except BarclampError:
                    os._exit(3)
                except BaseException:
                    os._exit(1)
            children.append(child)
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
        assert codes == [0, 3]
        assert len(imports(place)) == 1
        assert site_catalog(place).barclamps["web"].sha256 == imports(place)[0].sha256


def test_a_killed_import_lets_the_next_process_in(store: Path, tmp_path: Path) -> None:
    """It is killed while it holds the lock, with its files half written."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with locked(store) as made:
            (made / ".new-half" / "web").mkdir(parents=True)
            os.write(writer, b"x")
            signal.pause()
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    bring(store)
    assert [one.name for one in imports(store)] == ["web"]
    assert not list((store / "barclamps").glob(".new*"))


def test_a_newer_version_and_the_way_back_under_nodes_that_use_it(store: Path) -> None:
    """The nodes' roles are there before, with the newer version, and after its removal; their graph is what a plan makes of it."""
    bring(store)
    committed(store)
    for act in (lambda: bring(store, version="2", text=TEXT + "# more\n"), lambda: remove(store, "web", "2")):
        act()
        catalog = site_catalog(store)
        with Store.read(store) as reader:
            world = load_world(catalog, reader.load())
        keys = {key for key in world.node_roles if key[1] == "web-role"}
        assert keys
        assert all(world.catalog.roles[key[1]].barclamp == "web" for key in keys)
        assert world.plan is not None
        assert diff(world, world.plan).refused is None


def test_an_exported_journal_names_versions_and_no_paths(store: Path, tmp_path: Path) -> None:
    bring(store)
    committed(store)
    with Reader(store) as reader:
        reader.export(tmp_path / "journal.jsonl", 1.0)
    text = (tmp_path / "journal.jsonl").read_text()
    with JournalFile(tmp_path / "journal.jsonl") as file:
        assert file.catalog is not None
        assert versions(file.catalog) == versions(site_catalog(store))
    assert str(store.parent) not in text


def test_a_check_writes_nothing(store: Path, tmp_path: Path) -> None:
    check(store, from_path(folder(tmp_path / "x", barclamp())))
    assert not store.exists()


def test_the_world_of_a_store_knows_the_imports(store: Path) -> None:
    bring(store)
    committed(store)
    with Store.read(store) as reader:
        world = load_world(site_catalog(store), reader.load())
    assert any(key[1] == "web-role" for key in world.node_roles)
