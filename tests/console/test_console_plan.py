"""The plan's keys: what a commit would do is seen before it is done, earlier revisions are looked at and gone back to, settings are set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driving import Still, console, press, shot, still, until
from msgspec.structs import replace

from crowbar_tui.console.app import Console
from crowbar_tui.console.snapshot import Said, Setting
from engine.api.views import World
from engine.core.plan.bind import commit
from engine.core.world.work import Work
from engine.files.plan_write import write
from engine.model import Revision, Value
from engine.plan import BarclampPin, DeploymentDef, Expect, Network, Plan, Rule, Versions, from_stored


async def typed(pilot, text: str) -> None:
    for letter in text:
        await pilot.press({" ": "space", "-": "minus"}.get(letter, letter))
    await pilot.pause()


def in_force(world: World) -> Plan:
    return from_stored(world.revisions[max(world.revisions)].plan)


async def preview(app: Console, pilot, path: Path) -> str:
    await press(pilot, "5 c")
    await typed(pilot, str(path))
    await press(pilot, "enter")
    await until(pilot, lambda: app.session.page.name == "commit" or app.session.notes)
    return shot(app)


async def test_a_commit_is_previewed_and_then_done(tmp_path: Path) -> None:
    source, at = still("ready")
    path = tmp_path / "plan.yml"
    path.write_text(write(replace(in_force(source.world), expect=Expect(nodes=7))))
    async with console(source, at) as (app, pilot):
        text = await preview(app, pilot, path)
        assert "this plan would become revision 2" in text
        assert "no role of any node changes" in text
        assert "expect.nodes" in text
        assert "6 -> 7" in text or "-> 7" in text
        assert not source.asked
        await press(pilot, "escape")
        assert app.session.page.name == "plan"
        assert not source.asked, "esc leaves everything as it is"
        await preview(app, pilot, path)
        await press(pilot, "y")
        await until(pilot, lambda: source.asked and app.session.page.name == "plan")
        assert "√ committed" in shot(app)
    assert source.asked == [("commit", "plan.yml", "", path.read_text())]


def with_an_owner(plan: Plan) -> Plan:
    """The nodes belong to a deployment of their own, with another RAID."""
    rules = (Rule(name="node-{place}", deployment="left", attributes={"raid-wanted": {"level": "raid10"}}),)
    left = DeploymentDef(name="left", parent=next(iter(plan.deployments)))
    storage = Network(name="storage", subnet="10.77.0.0/24", deployment="left")
    return replace(plan, rules=rules, deployments={**plan.deployments, "left": left}, networks={**plan.networks, "storage": storage})


async def test_the_preview_shows_another_owner_and_what_another_raid_costs(tmp_path: Path) -> None:
    source, at = still("ready")
    path = tmp_path / "plan.yml"
    path.write_text(write(with_an_owner(in_force(source.world))))
    async with console(source, at, size=(140, 60)) as (app, pilot):
        text = await preview(app, pilot, path)
        assert "deployment: system -> left" in text
        assert "raid-wanted: nothing -> {level: raid10}" in text
        assert "raid-configure runs again only in a redeploy, which reboots the node and wipes sda" in text


async def test_the_owner_is_on_the_pages_of_node_plan_and_networks() -> None:
    source, at = still("ready")
    work = Work(source.world)
    assert commit(work, with_an_owner(in_force(source.world)), "op") is None
    owned = Still(work.finish(), source.where, [], at=at)
    async with console(owned, at, size=(140, 40), keys="5") as (app, pilot):
        nodes = sum(node.deployment == "left" for node in owned.world.nodes.values())
        assert f"owns {nodes} nodes and network storage" in shot(app)
        await press(pilot, "1 enter")
        await until(pilot, lambda: app.session.page.name == "node")
        assert "  of left" in shot(app)


async def test_the_plan_in_force_is_not_committed_again(tmp_path: Path) -> None:
    source, at = still("ready")
    path = tmp_path / "plan.yml"
    path.write_text(write(in_force(source.world)))
    async with console(source, at) as (app, pilot):
        assert "no difference: this plan is the current revision 1" in await preview(app, pilot, path)
        await press(pilot, "y")
        assert not source.asked


async def test_the_preview_names_what_the_plan_was_not_saved_with(tmp_path: Path) -> None:
    source, at = still("ready")
    path = tmp_path / "plan.yml"
    pins = Versions(barclamps={"ntp": BarclampPin(version="99")})
    path.write_text(write(replace(in_force(source.world), versions=pins)))
    async with console(source, at) as (app, pilot):
        assert "! barclamp ntp is not here, the plan was saved with 99" in await preview(app, pilot, path), (
            "the rack has a catalogue of its own"
        )
        await press(pilot, "y")
        await until(pilot, lambda: source.asked and app.session.page.name == "plan")


async def test_what_would_wipe_disks_is_typed(tmp_path: Path) -> None:
    source, at = still("begun")
    path = tmp_path / "plan.yml"
    path.write_text(write(replace(in_force(source.world), expect=Expect(nodes=9))))
    async with console(source, at) as (app, pilot):
        await preview(app, pilot, path)
        page = app.session.page
        found = page.found
        from engine.core.plan.diff import RoleChange

        name = next(n.name for n in source.world.nodes.values())
        change = RoleChange(node=name, role="os-install", what="new", stage="install", destructive=True, approved=True)
        page.found = replace(found, roles=(change,), nodes=(name,), destroys=(f"{name} os-install",))
        await press(pilot, "y")
        assert "type wipe to do it" in shot(app)
        await press(pilot, "y enter")
        assert not source.asked
        await press(pilot, "backspace w i p e enter")
        await until(pilot, lambda: source.asked)


async def test_all_mistakes_of_a_plan_are_told(tmp_path: Path) -> None:
    path = tmp_path / "plan.yml"
    path.write_text("crowbar: 1\nsite: {name: R 1}\nnetwrks: {}\n")
    source, at = still("ready")
    async with console(source, at) as (app, pilot):
        text = await preview(app, pilot, path)
        assert "plan.yml has " in text
        assert "did you mean 'networks'?" in " ".join(text.split())
        assert "expected a site's name" in text
        await press(pilot, "y")
        assert not source.asked


async def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    source, at = still("ready")
    async with console(source, at) as (app, pilot):
        await preview(app, pilot, tmp_path / "none.yml")
        assert "none.yml cannot be read: no such file or directory" in app.session.notes[-1].text


async def test_a_refused_commit_stays_where_it_is(tmp_path: Path) -> None:
    source, at = still("ready")
    path = tmp_path / "plan.yml"
    path.write_text(write(replace(in_force(source.world), expect=Expect(nodes=7))))
    source.commit = lambda *_: Said(False, "the engine could not commit the plan: no room", "make room")
    async with console(source, at) as (app, pilot):
        await preview(app, pilot, path)
        await press(pilot, "y")
        await until(pilot, lambda: app.session.notes)
        assert "no room: make room" in shot(app)
        assert app.session.page.name == "commit"


# -- revisions -------------------------------------------------------------------------------------------------------


def with_two(world: World) -> World:
    first = world.revisions[1]
    second = Revision(number=2, who="eve", at=first.at + 60, plan={**first.plan, "expect": {"nodes": 9, "within": 0.0}})
    return replace(world, revisions=world.revisions.set(2, second)) if hasattr(world, "__struct_fields__") else _put(world, second)


def _put(world: World, revision: Revision) -> World:
    from engine.core.world.work import Work

    work = Work(world)
    work.put(revision)
    work.use(from_stored(revision.plan), world.catalog)
    return work.finish()


async def test_an_earlier_revision_is_read_and_gone_back_to() -> None:
    source, at = still("ready")
    source.world = with_two(source.world)
    async with console(source, at, keys="5 v") as (app, pilot):
        text = shot(app)
        assert "eve" in text
        assert text.index("current") < text.index("1  ", text.index("current"))
        await press(pilot, "down enter")
        assert "revision 1" in shot(app).splitlines()[0]
        assert "crowbar:" in shot(app)
        await press(pilot, "b")
        await until(pilot, lambda: app.session.page.name == "commit")
        assert "back to revision 1" in shot(app).splitlines()[0]
        assert "this plan would become revision 3" in shot(app)
        await press(pilot, "y")
        await until(pilot, lambda: source.asked)
    assert source.asked[0][:2] == ("commit", "revision-1.yml")
    assert "nodes: 9" not in source.asked[0][3]


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "scope"), [("A", "NODE"), ("enter A", "NODE"), ("enter down down down down down A", "NODE/os-install"), ("5 A 2", "cloud")]
)
async def test_settings_are_set_and_taken_back(keys: str, scope: str) -> None:
    source, at = still("ready")
    source.answer = lambda *_: Said(True, "it is set")
    async with console(source, at, keys=keys) as (app, pilot):
        if app.session.page.name != "settings":  # the tree of deployments is another one
            pytest.skip(shot(app))
        things = app.session.page.shown()
        assert things
        row = next(i for i, t in enumerate(things) if not t.secret)
        await press(pilot, "down " * row + "enter ctrl+u")
        await typed(pilot, "new-value")
        await press(pilot, "enter")
        await until(pilot, lambda: source.asked)
        assert "it is set" in shot(app)
        scope = scope.replace("NODE", app.session.order[0])
    verb, node, _, what = source.asked[0]
    assert (verb, node) == ("set", scope)
    assert isinstance(what, Setting)
    assert what == Setting("deployment" if scope == "cloud" else "operator", things[row].name, "new-value")


async def test_the_layers_of_the_chosen_attribute_are_shown() -> None:
    source, at = still("ready")
    async with console(source, at, size=(118, 48), keys="A") as (app, _):
        told = " ".join(shot(app).split())
        assert "layers: default (counts); not set: discovery, hint, parent, deployment, setting, wish, rule, role, engine, operator" in told


async def test_a_refused_value_is_told() -> None:
    source, at = still("ready")
    source.answer = lambda *_: Said(False, "attribute target-os must be text like ..., not 'X'", "")
    async with console(source, at, keys="A enter ctrl+u X enter") as (app, pilot):
        await until(pilot, lambda: app.session.notes)
        assert "must be text like" in app.session.notes[-1].text
        assert "! " in shot(app).splitlines()[-3]


async def test_what_is_not_set_here_is_not_taken_back() -> None:
    source, at = still("ready")
    async with console(source, at, keys="A x") as (app, pilot):
        await until(pilot, lambda: app.session.notes)
        assert "is not set on" in app.session.notes[-1].text
        assert not source.asked


async def test_settings_of_many_are_set_on_each() -> None:
    source, at = still("ready")
    source.answer = lambda *_: Said(True, "it is set")
    async with console(source, at, keys="asterisk A") as (app, pilot):
        assert "settings of 6 nodes" in shot(app)
        await press(pilot, "x y")
        await until(pilot, lambda: len(source.asked) == 6)
    assert all(a[3].clear for a in source.asked)
    assert len({a[1] for a in source.asked}) == 6


# -- drift -----------------------------------------------------------------------------------------------------------


def drifted(name: str = "working") -> tuple[Any, float]:
    """Settings of each kind beside the plan, and a role that wrote disks with other inputs than those of now."""
    source, at = still(name)
    work = Work(source.world)
    node = source.world.node_named("node-10")
    values = (
        ("setting", "cloud", "ntp-upstream"),
        ("operator", node.id, "bios-wanted"),
        ("operator", f"{node.id}/ntp-client", "ntp-servers"),
    )
    for layer, scope, attribute in values:
        work.put(Value(layer=layer, scope=scope, name=attribute, value=["10.0.0.9"], who="anna"))
    wrote = next(role for key, role in sorted(source.world.node_roles.items()) if key[1] == "raid-configure" and role.succeeded)
    work.put_role(replace(wrote, ran_hash="other"))
    source.world = work.finish()
    return source, at


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize(("name", "keys"), [("plan-drift", "5"), ("drift", "5 d")])
async def test_the_plan_page_shows_drift_as_a_line(name: str, keys: str, size: tuple[int, int], golden) -> None:
    source, at = drifted()
    async with console(source, at, size, keys) as (app, _):
        text = shot(app)
    assert all(len(one) <= size[0] for one in text.splitlines())
    assert "3 settings beside the plan, 1 role needs a redeploy" in text
    golden(f"{name}-{size[0]}x{size[1]}", text)


async def test_without_drift_there_is_no_line_and_no_key() -> None:
    source, at = still("ready")
    async with console(source, at, keys="5 d") as (app, _):
        assert app.session.page.name == "plan"
        assert "drift" not in shot(app)


async def test_the_preview_of_a_commit_shows_the_settings_beside_the_plan(tmp_path: Path) -> None:
    source, at = drifted("ready")
    path = tmp_path / "plan.yml"
    path.write_text(write(in_force(source.world)))
    async with console(source, at, (160, 48)) as (app, pilot):
        assert "! beside the plan: cloud ntp-upstream: anna set [10.0.0.9]; the plan has none" in await preview(app, pilot, path)
