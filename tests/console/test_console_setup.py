"""The first run: each step's keys, what it says about what is wrong, and what comes out of it: a plan that is right, committed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from driving import press, shot, until
from still import Still

from crowbar_tui.console.app import Console
from crowbar_tui.console.glyphs import CP437
from crowbar_tui.console.setup.admin_node import RealAdminNode
from crowbar_tui.console.setup.wizard import Wizard
from crowbar_tui.console.snapshot import Said
from crowbar_tui.console.theme import NAMES
from engine.api.control import Answers, Check, Neighbour, Port, compose, plan_file, shipped
from engine.core.world.load import load_world

AT = 1_700_000_000.0


class FakeAdminNode:
    """A machine with two interfaces; what it hears is as the test says."""

    def __init__(self, folder: Path) -> None:
        self.where = folder
        self.answering: list[str] | str = []
        self.environment: set[str] = set()
        self.kept = ""
        self.closed = False
        self.rehearsals: list[tuple[str, str, str]] = []
        self.found = [
            Check(name="privilege", grade="ok", text="this process may use ports below 1024 and send raw frames"),
            Check(
                name="port 80/tcp",
                grade="bad",
                text="another program uses this port, so HTTP cannot",
                advice="find the program with `ss -lntp` and stop it",
            ),
            Check(
                name="clock",
                grade="warn",
                text="the clock is not synchronized (chronyc reports this)",
                advice="configure a reachable server in chrony",
            ),
            Check(name="image sledgehammer", grade="ok", text="complete, version 1"),
        ]
        self.have = [
            Port(
                name="eth1",
                mac="52:54:00:00:00:01",
                up=True,
                carrier=True,
                speed=10000,
                addresses=("192.168.124.10/24",),
                router="192.168.124.1",
                virtual=False,
                neighbour=Neighbour(switch="tor1", port="swp48", at=95.0),
            ),
            Port(name="eth2", mac="52:54:00:00:00:02", up=True, carrier=False, speed=0, addresses=(), router="", virtual=False),
            Port(name="br0", mac="52:54:00:00:00:03", up=False, carrier=False, speed=0, addresses=(), router="", virtual=True),
        ]

    def checks(self) -> list[Check]:
        return self.found

    def ports(self) -> list[Port]:
        return self.have

    def deaf(self) -> str:
        return ""

    def servers(self, interface: str) -> list[str] | str:
        return self.answering

    def systems(self) -> list[tuple[str, str]]:
        return [("debian-12", ""), ("ubuntu-24.04", "image ubuntu-24.04 is missing")]

    def domain(self) -> str:
        return ""

    def folder(self) -> Path:
        return self.where

    def secret(self, kind: str, name: str) -> str:
        if kind == "env":
            return "" if name in self.environment else f"{name} is not set in this console's environment"
        return RealAdminNode(self.where).secret(kind, name)

    def keep(self, value: str) -> Path:
        self.kept = value
        return Path("/keys/bmc-password")

    def write(self, path: Path, text: str, over: bool) -> Said:
        return RealAdminNode(self.where).write(path, text, over)

    def rehearsal(self, nodes: str, speed: str, scenario: str) -> list[str] | str:
        self.rehearsals.append((nodes, speed, scenario))
        return ["rehearse", nodes]

    def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def setup(folder: Path, keys: str = "", size: tuple[int, int] = (80, 24), admin: FakeAdminNode | None = None, theme: str = "default"):
    admin = admin or FakeAdminNode(folder)
    source = Still(load_world(shipped(), {}), Path("/var/lib/crowbar"), at=AT)
    app = Console(source, theme=theme, wall=lambda: AT)
    async with app.run_test(size=size) as pilot:
        app.session.stack = [Wizard(app.session, admin, clock=lambda: 100.0)]
        app.paint()
        for one in keys.split():
            await press(pilot, one)
            await until(pilot, lambda: settled(app))
        yield app, pilot, admin, source


def wizard(app: Console) -> Wizard:
    page = app.session.page
    assert isinstance(page, Wizard)
    return page


def settled(app: Console) -> bool:
    """Nothing is being looked at."""
    page = app.session.page
    if not isinstance(page, Wizard):
        return True
    here = page.here
    return not (page.run.checking or getattr(here, "checking_since", 0) or getattr(here, "began", 0) or getattr(here, "busy", False))


TO = {
    "start": "",
    "checks": "down down enter",
    "interface": "down down enter enter",
    "dhcp": "down down enter enter enter",
    "site": "down down enter enter enter enter",
    "networks": "down down enter enter enter enter enter",
    "bmc": "down down enter enter enter enter enter enter",
    "rack": "down down enter enter enter enter enter enter right enter",
    "plan": "down down enter enter enter enter enter enter right enter enter",
    "rehearse": "enter",
    "faults": "down enter",
}
"""Keys that lead to a step; at the BMCs, `none` is chosen."""


async def typed(pilot, text: str) -> None:
    for letter in text:
        await pilot.press({" ": "space"}.get(letter, letter))
    await pilot.pause()


# -- screens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("step", TO)
async def test_a_step(step: str, size: tuple[int, int], golden) -> None:
    async with setup(Path("/root"), TO[step], size) as (app, *_):
        text = shot(app)
        golden(f"setup-{step}-{size[0]}x{size[1]}", text)
        lines = shot(app).splitlines()
        assert len(lines) == size[1]
        assert all(len(one) <= size[0] for one in lines)
        assert {c for c in text if not c.isascii()} <= CP437


@pytest.mark.parametrize("theme", NAMES)
async def test_in_every_theme(theme: str, tmp_path: Path) -> None:
    async with setup(tmp_path, TO["networks"], theme=theme) as (app, *_):
        assert "which addresses will the rack use?" in shot(app)


# -- from start to end -----------------------------------------------------------------------------------------------


async def test_enter_goes_through_and_ends_with_a_committed_plan(tmp_path: Path) -> None:
    admin = FakeAdminNode(tmp_path)
    admin.environment.add("CROWBAR_BMC_PASSWORD")
    async with setup(tmp_path, "down down " + "enter " * 8, admin=admin) as (app, pilot, _, source):
        assert "the plan that the wizard will write" in shot(app)
        await press(pilot, "enter")
        await until(pilot, lambda: source.asked)
        await until(pilot, lambda: app.session.page is app.session.screens[0])
        assert "is written and committed" in app.session.notes[-1].text
    plan = plan_file.read_file(tmp_path / "r01.yml", shipped())
    assert plan.site.name == "r01"
    assert plan.site.admin.interface == "eth1"
    assert plan.site.admin.address == "192.168.124.10"
    assert plan.networks["admin"].router == "192.168.124.1"
    assert plan.secrets == {"bmc-password": {"env": "CROWBAR_BMC_PASSWORD"}}
    assert [(a[0], a[1], a[3]) for a in source.asked] == [("commit", "r01.yml", (tmp_path / "r01.yml").read_text())]
    assert admin.closed, "it listens no more"


async def test_back_and_forth_forgets_nothing(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["site"]) as (app, pilot, *_):
        await typed(pilot, "r07")
        assert "r07.internal" in shot(app), "the domain follows the name"
        await press(pilot, "enter escape escape escape escape")
        assert "can this machine serve a rack" in shot(app)
        await press(pilot, "enter enter enter")
        await until(pilot, lambda: settled(app))
        await press(pilot, "enter" if "answer" in shot(app) else "")
        assert "r07" in shot(app)
        await press(pilot, "escape escape escape escape escape escape escape")
        assert app.session.page is app.session.screens[0], "from the first step back to the console"


async def test_what_is_wrong_is_told_in_the_words_of_plan_check_and_enter_stays(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["networks"]) as (app, pilot, *_):
        await press(pilot, "down down")
        await typed(pilot, "192.168.124.5-192.168.124.20")
        assert "the admin node's address 192.168.124.10 is in this range" in shot(app)
        await press(pilot, "enter")
        assert "which addresses will the rack use?" in shot(app)
        await press(pilot, "backspace backspace")
        assert "it ends before" in shot(app) or "the range ends before it begins" in " ".join(shot(app).split()) or "expected" in shot(app)
        await press(pilot, "ctrl+u")
        await typed(pilot, "192.168.124.21-192.168.124.40")
        assert "20 addresses" in shot(app)
        await press(pilot, "enter")
        assert "how does the engine power machines on?" in shot(app)


async def test_another_address_moves_what_was_proposed_and_not_what_was_typed(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["networks"]) as (app, pilot, *_):
        await press(pilot, "down down down")
        await typed(pilot, "192.168.124.200-192.168.124.220")
        await press(pilot, "up up up")
        await typed(pilot, "10.1.2.3")
        text = shot(app)
        assert "10.1.2.0/24" in text
        assert "192.168.124.200 is not in 10.1.2.0/24" in text
        assert "not set yet: ip address add 10.1.2.3/24 dev eth1" in text


async def test_an_interface_without_an_address_gets_a_proposal(tmp_path: Path) -> None:
    keys = "down down enter enter down enter enter enter"
    async with setup(tmp_path, keys) as (app, *_):
        text = shot(app)
        assert "192.168.124.10" in text
        assert "ip address add 192.168.124.10/24 dev eth2" in text


async def test_bmcs_may_be_left_out(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["networks"] + " up up up right") as (app, pilot, *_):
        await until(pilot, lambda: "no addresses for BMCs" in shot(app))
        assert "BMC subnet" not in shot(app)
        assert wizard(app).run.answers().bmc_subnet == ""


# -- single steps ----------------------------------------------------------------------------------------------------


async def test_foreign_dhcp_is_told_and_may_be_listened_for_again(tmp_path: Path) -> None:
    admin = FakeAdminNode(tmp_path)
    admin.answering = ["10.0.0.3"]
    async with setup(tmp_path, TO["dhcp"], admin=admin) as (app, pilot, *_):
        assert "! 10.0.0.3 answered on eth1" in shot(app)
        assert "stop DHCP server 10.0.0.3" in shot(app)
        admin.answering = []
        await press(pilot, "r")
        await until(pilot, lambda: "no other server answered on eth1" in shot(app))


async def test_where_it_cannot_listen_it_says_why(tmp_path: Path) -> None:
    admin = FakeAdminNode(tmp_path)
    admin.answering = "it needs the privilege CAP_NET_RAW"
    async with setup(tmp_path, TO["dhcp"], admin=admin) as (app, *_):
        assert "could not listen on eth1: it needs the privilege" in shot(app)


async def test_checks_are_looked_at_again(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["checks"]) as (app, pilot, admin, _):
        assert "2 ok, 1 to look at, 1 bad" in shot(app)
        admin.found = [c for c in admin.found if c.grade != "bad"]
        await press(pilot, "r")
        await until(pilot, lambda: "0 bad" in shot(app))


async def test_a_neighbour_that_is_heard_later_comes_up_by_itself(tmp_path: Path) -> None:
    from msgspec.structs import replace

    async with setup(tmp_path, TO["interface"]) as (app, pilot, admin, _):
        assert "tor1 swp48 5s" in shot(app)
        admin.have[1] = replace(admin.have[1], neighbour=Neighbour(switch="tor2", port="swp48", at=99.0))
        app.session.page.tick()
        await until(pilot, lambda: "tor2 swp48 1s" in shot(app))


async def test_a_typed_password_is_kept_in_a_file_and_seen_by_nobody(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["bmc"]) as (app, pilot, admin, source):
        await press(pilot, "enter")
        assert "expected the password (or choose none)" in shot(app)
        await typed(pilot, "geheim 1")
        assert "geheim" not in shot(app)
        assert "********" in shot(app)
        await press(pilot, "enter enter")
        assert "geheim" not in wizard(app).run.text()
        await press(pilot, "enter")
        await until(pilot, lambda: source.asked)
        assert admin.kept == "geheim 1"
    plan = plan_file.read_file(tmp_path / "r01.yml", shipped())
    assert plan.secrets == {"bmc-password": {"file": "/var/lib/crowbar.keys/bmc-password"}}
    assert "geheim" not in (tmp_path / "r01.yml").read_text()


async def test_a_secret_that_cannot_be_read_is_told_before_the_commit(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("x\n")
    async with setup(tmp_path, TO["bmc"]) as (app, pilot, *_):
        await press(pilot, "left down")  # a file
        await typed(pilot, "/nowhere")
        assert "/nowhere: no such file or directory" in shot(app)
        await press(pilot, "ctrl+u")
        await typed(pilot, str(tmp_path / "pw"))
        await until(pilot, lambda: "it can be read" in " ".join(shot(app).split()) or "can be read" in shot(app))
        await press(pilot, "up left down")  # the environment
        await typed(pilot, "NOT_SET")
        assert "NOT_SET is not set in this console's environment" in shot(app)


async def test_an_image_that_is_not_built_is_told(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["rack"] + " down down right") as (app, pilot, *_):
        assert "image ubuntu-24.04 is missing: crowbar image build ubuntu-24.04" in shot(app)
        await press(pilot, "right")
        missing = "crowbar image build debian-13-compute debian-13-controller debian-13-storage"
        assert "a cloud on six servers or more" in shot(app)
        assert missing not in shot(app), "this admin node does not know these images"
        await press(pilot, "right right")
        assert "discover only" in shot(app)
        assert wizard(app).run.answers().system == ""


async def test_a_range_that_is_too_small_for_the_machines_is_told(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["rack"]) as (app, pilot, *_):
        await typed(pilot, "500")
        assert "addresses for 500 machines" in shot(app)


# -- the last step ---------------------------------------------------------------------------------------------------


async def test_a_file_that_is_there_is_not_overwritten_without_a_yes(tmp_path: Path) -> None:
    (tmp_path / "r01.yml").write_text("mine\n")
    async with setup(tmp_path, TO["plan"]) as (app, pilot, _, source):
        await press(pilot, "enter")
        await until(pilot, lambda: "overwrite r01.yml?" in shot(app))
        await press(pilot, "n")
        assert (tmp_path / "r01.yml").read_text() == "mine\n"
        assert not source.asked
        await press(pilot, "f")
        await typed(pilot, "other.yml")
        await press(pilot, "enter w")
        await until(pilot, lambda: "and not committed" in app.session.notes[-1].text if app.session.notes else False)
        assert (tmp_path / "other.yml").exists()
        assert not source.asked
        await press(pilot, "f")
        await typed(pilot, "r01.yml")
        await press(pilot, "enter enter")
        await until(pilot, lambda: "overwrite r01.yml?" in shot(app))
        await press(pilot, "y")
        await until(pilot, lambda: source.asked)
        assert (tmp_path / "r01.yml").read_text() != "mine\n"


async def test_a_refused_commit_is_told_where_it_happened(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["plan"]) as (app, pilot, _, source):
        source.commit = lambda *_: Said(
            False, "the engine could not commit the plan: 192.168.124.10:80 is no address of this machine", "fix the cause"
        )
        await press(pilot, "enter")
        await until(pilot, lambda: "is no address of this machine" in " ".join(shot(app).split()))
        assert "esc goes back" in shot(app)
        await press(pilot, "escape")
        assert "what will the rack become?" in shot(app)


async def test_where_the_file_cannot_be_written_it_says_so(tmp_path: Path) -> None:
    async with setup(tmp_path, TO["plan"]) as (app, pilot, _, source):
        await press(pilot, "f")
        await typed(pilot, "/nowhere/x.yml")
        await press(pilot, "enter enter")
        await until(pilot, lambda: "(no such file or directory)" in shot(app))
        assert not source.asked


# -- elsewhere -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "words"),
    [("enter enter", ("6", "10", "")), ("enter 1 2 down right enter", ("12", "60", "")), ("down enter enter", ("6", "10", "first-day"))],
)
async def test_a_rehearsal_is_begun_instead(keys: str, words: tuple[str, str, str], tmp_path: Path) -> None:
    async with setup(tmp_path, keys) as (app, pilot, admin, _):
        await until(pilot, lambda: app.return_value is not None)
        assert admin.rehearsals == [words]
    assert (app.return_value, app.next_command) == ("stop", ["rehearse", words[0]])


async def test_no_rehearsal_of_nothing(tmp_path: Path) -> None:
    async with setup(tmp_path, "enter 0 enter") as (app, *_):
        assert "expected a whole number from 1 to 1000, not '0'" in shot(app)
        assert app.return_value is None


async def test_a_plan_file_may_be_taken(tmp_path: Path) -> None:
    answers = Answers(name="r1", address="10.0.0.1", subnet="10.0.0.0/24", dhcp="10.0.0.21-10.0.0.80", host="10.0.0.101-10.0.0.250")
    (tmp_path / "mine.yml").write_text(compose(answers))
    async with setup(tmp_path, "down down down enter") as (app, pilot, _, source):
        await typed(pilot, str(tmp_path / "mine.yml"))
        await press(pilot, "enter")
        await until(pilot, lambda: app.session.page.name == "commit")
        assert "this plan would become revision 1" in shot(app)
        await press(pilot, "y")
        await until(pilot, lambda: source.asked and app.session.page is app.session.screens[0])
    assert source.asked == [("commit", "mine.yml", "", (tmp_path / "mine.yml").read_text())]


async def test_looking_around_and_coming_back(tmp_path: Path) -> None:
    async with setup(tmp_path, "up enter") as (app, pilot, *_):
        assert app.session.page is app.session.screens[0]
        await press(pilot, "colon s e t u p enter")
        assert isinstance(app.session.page, Wizard)
        await until(pilot, lambda: settled(app))


async def test_help_and_the_way_out(tmp_path: Path) -> None:
    async with setup(tmp_path, "question_mark") as (app, pilot, *_):
        assert "what can I do here" in shot(app)
        await press(pilot, "escape ctrl+q")
        await until(pilot, lambda: app.return_value == "stop")


async def test_a_plan_that_somebody_else_commits_ends_it(tmp_path: Path) -> None:
    from driving import still

    async with setup(tmp_path, TO["site"]) as (app, pilot, _, source):
        ready, _ = still("ready")
        source.move(ready.world)
        await until(pilot, lambda: app.session.world.plan is not None)
        app.session.page.tick()
        assert app.session.page is app.session.screens[0]
        assert "somebody committed a plan meanwhile" in app.session.notes[-1].text


async def test_ctrl_q_leaves_no_engine_behind(tmp_path: Path) -> None:
    """An engine without a plan serves nothing. That of another process goes on."""
    for connection, ends in (("embedded", "stop"), ("attached", "leave")):
        async with setup(tmp_path, "down enter") as (app, pilot, _, source):
            source.connection = connection
            source.move(source.world)
            await until(pilot, lambda app=app, connection=connection: app.session.snapshot.connection == connection)
            await pilot.press("ctrl+q")
            await until(pilot, lambda app=app: app.return_value is not None)
            assert app.return_value == ends


def test_a_rehearsal_has_the_machines_that_its_faults_name(tmp_path: Path) -> None:
    admin = RealAdminNode(tmp_path / "store")
    assert admin.rehearsal("3", "60", "first-day") == "this needs 4 machines or more"
    assert admin.rehearsal("5", "60", "cables") == "this needs 6 machines or more"
    assert admin.rehearsal("1", "60", "bad-bmcs") != []
    assert admin.rehearsal("4", "60", "first-day")[-3:] == ["--scenario", "first-day", "--fresh"]
    assert admin.rehearsal("1", "60", "")[-1] == "--fresh"
