"""Proposals in the console: they are seen on the plan's page, previewed, committed and recalled by key."""

from __future__ import annotations

import pytest
from driving import console, press, shot, still, until
from msgspec.structs import replace
from still import Still

from engine.core.plan.proposed import as_wanted, definition
from engine.core.world.work import Work
from engine.model import Proposal, Revision
from engine.plan import DeploymentDef, from_stored


def proposed() -> tuple[Still, float]:
    """Two edits that can be committed, and one that another revision has overtaken."""
    source, at = still("ready")
    work, plan = Work(source.world), source.world.plan
    assert plan is not None
    cloud = definition(plan, "cloud")
    assert cloud is not None
    other = replace(plan, deployments={**plan.deployments, "db": DeploymentDef(name="db", attributes={"target-os": "debian-12"})})
    old = from_stored(work.revisions[1].plan)
    work.use(other, work.catalog)
    work.put(Revision(number=2, who="grace", at=at - 3600, plan=as_wanted(other)))
    assert old == plan
    edits = {"cloud": replace(cloud, attributes={"bios-wanted": {"boot": "uefi"}}), "web": DeploymentDef(name="web", parent="cloud")}
    for i, (name, wanted) in enumerate({**edits, "db": DeploymentDef(name="db")}.items()):
        work.put(Proposal(deployment=name, wanted=as_wanted(wanted), base=1, who="ada", at=at - 400 * (i + 1)))
    source.world = work.finish(keep_touched=False)
    return source, at


SCREENS = {"plan-proposals": "5", "proposals": "5 p", "proposals-preview": "5 p enter", "proposals-recall": "5 p down x"}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("name", SCREENS)
async def test_screen(name: str, size: tuple[int, int], golden) -> None:
    source, at = proposed()
    async with console(source, at, size, SCREENS[name]) as (app, pilot):
        await until(pilot, lambda: "preview" not in name or app.session.page.name == "commit")
        text = shot(app)
    assert all(len(one) <= size[0] for one in text.splitlines())
    golden(f"{name}-{size[0]}x{size[1]}", text)


async def test_one_is_previewed_and_committed_as_it_was_seen() -> None:
    source, at = proposed()
    async with console(source, at) as (app, pilot):
        await press(pilot, "5 p enter")
        await until(pilot, lambda: app.session.page.name == "commit")
        assert "the edit of cloud would become revision 3" in shot(app)
        assert not source.asked
        await press(pilot, "y")
        await until(pilot, lambda: source.asked and app.session.page.name == "proposals")
        assert "√ committed" in shot(app)
    assert source.asked == [("commit-proposals", "cloud", "", {"cloud": at - 400})]


async def test_what_would_be_refused_is_not_committed() -> None:
    source, at = proposed()
    async with console(source, at) as (app, pilot):
        await press(pilot, "5 p a")
        await until(pilot, lambda: app.session.page.name == "commit")
        words = " ".join(shot(app).split())
        assert "grace changed deployment db in revision 2" in words
        assert "crowbar deployment take-up db" in words
        await press(pilot, "y")
        assert not source.asked


async def test_one_is_recalled_after_a_question() -> None:
    source, at = proposed()
    async with console(source, at) as (app, pilot):
        await press(pilot, "5 p down down x")
        assert "drop the proposal of web?" in shot(app)
        await press(pilot, "n x y")
        await until(pilot, lambda: source.asked)
    assert source.asked == [("recall", "web", "", None)]


async def test_without_one_the_keys_do_nothing() -> None:
    source, at = still("ready")
    async with console(source, at) as (app, pilot):
        await press(pilot, "5 p enter a x")
        assert "no proposal waits" in shot(app)
        assert app.session.overlay is None
    assert not source.asked
