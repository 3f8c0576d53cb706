"""The read-only console: it shows all, says so in its title, refuses each ordering key in one line, and nothing leaves it."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from driving import still
from terminal import ROOT, Terminal, needs_tmux

from crowbar_tui import cli
from crowbar_tui.console import actions
from crowbar_tui.console.frame import draw
from crowbar_tui.console.manner import Manner
from crowbar_tui.console.read_only import Watching
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.set_up import prepare
from crowbar_tui.console.snapshot import Said, Setting, Source
from crowbar_tui.console.source import Elsewhere
from crowbar_tui.console.styled import plain
from engine.api.views import held

sys.path.append(str(Path(__file__).parents[1] / "cli"))

from cli_store import brought_up, store  # noqa: F401  fixtures

REFUSED = "this console is read-only: no order leaves it"


class Silent:
    """A source of which only looking may be asked."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        assert name in ("where", "snapshot", "wait", "packets", "close"), f"{name} was asked"
        return getattr(self._source, name)


def session_of(world: str = "faulty", captive: bool = False, read_only: bool = True) -> Session:
    source, at = still(world)
    source.repairs = {mac: ("its cable",) for node in source.world.nodes.values() for mac in node.macs}
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    session.rehearsal = True
    session.source = Silent(source)  # type: ignore[assignment]

    def sent(orders: Any) -> None:
        raise AssertionError(orders)

    def left(stop: bool) -> None:
        assert not stop, "it stopped the engine"

    def worked(job: Any, done: Any) -> None:
        name = getattr(job, "func", job).__qualname__
        assert "repair" not in name, name
        assert "unplug" not in name, name

    session.send, session.leave, session.work = sent, left, worked
    prepare(session, Manner(read_only=read_only, captive=captive))
    return session


def screen(session: Session, size: tuple[int, int] = (80, 24)) -> list[str]:
    return [plain(one) for one in draw(session, *size)]


@pytest.mark.parametrize("size", [(60, 12), (80, 24), (160, 48)])
def test_the_title_says_so(size: tuple[int, int]) -> None:
    session = session_of()
    for key in ("1", "enter", "w", "4", "8"):
        session.press(key)
        lines = screen(session, size)
        assert lines[0].startswith(" read-only")
        assert {len(one) for one in lines} == {size[0]}


@pytest.mark.parametrize("key", [*dict.fromkeys([a.key for a in (*actions.NODE, *actions.ROLE)]), "p", "m", ".", "Q"])
def test_each_ordering_key_says_so_in_one_line(key: str) -> None:
    session = session_of()
    for page in ("1", "2", "4", "1 enter"):
        for one in page.split():
            session.press(one)
        before = len(session.notes)
        session.press(key)
        if session.page.name == "node" and len(session.notes) == before:
            continue  # a verb that is not offered for this node
        if len(session.notes) > before:
            assert session.notes[-1].text == REFUSED
            assert session.overlay is None
            assert sum(REFUSED in one for one in screen(session)) == 1
    assert any(one.text == REFUSED for one in session.notes) or key == "x"


@pytest.mark.parametrize("keys", ["1 P b", "5 c", "5 p a", "5 p x", "5 v b y", "A enter", "A x", "! K", "! r", "1 * h", "1 * D"])
def test_no_page_orders_anything(keys: str) -> None:
    session = session_of()
    for key in keys.split():
        session.press(key)
        screen(session)
    assert not session.defects.found


def test_no_command_of_the_palette_orders_anything() -> None:
    session = session_of()
    session.press(":")
    names = [one.name for one in session.overlay.found()]  # type: ignore[union-attr]
    assert "setup" not in names
    for name in names:
        session.press("escape")
        session.press("1")
        session.press(":")
        for letter in name:
            session.press("space" if letter == " " else letter)
        session.press("enter")
        for key in ("y", "enter"):
            session.press(key)
        screen(session)
    assert not session.defects.found


def test_looking_goes_on() -> None:
    session = session_of()
    for key in ("enter", "w", "escape", "A", "escape", "escape", "/", "1", "enter", "escape", "s", "space", "3", "7"):
        session.press(key)
    assert session.page.name == "events"
    assert not [one for one in session.notes if one.text == REFUSED]


LOOKING = {"where", "snapshot", "wait", "packets", "close"}
"""What of a source orders nothing. `disks` asks a machine, so it is none of these."""


def test_every_order_of_a_source_has_its_wall(tmp_path: Path) -> None:
    """A new method of `Source` is an order, unless it is named above."""
    orders = {name for name, _ in inspect.getmembers(Source) if not name.startswith("_")} - LOOKING
    assert {"ask", "commit", "join", "stop_engine", "disks"} < orders
    watching = Watching.__new__(Watching)
    watching.where = tmp_path

    class Never:
        def gave(self, *_: str) -> None:
            """Nothing is given."""

    watching._own = Never()  # type: ignore[assignment]
    for name in orders:
        made = getattr(watching, name)
        wanted = inspect.signature(made).parameters
        given = {"seen": {}, "nodes": [], "what": Setting("operator", "x")}
        answer = made(*(given.get(p, "x") for p in wanted if wanted[p].default is inspect.Parameter.empty))
        assert answer == {} or (isinstance(answer, Said) and not answer.ok and answer.text == REFUSED), name
    assert issubclass(Watching, Elsewhere)


def test_a_captive_console_reads_no_file_that_the_user_names() -> None:
    session = session_of(captive=True, read_only=False)
    session.press("5")
    session.press("c")
    assert session.overlay is None
    assert session.notes[-1].text == "this console is captive: it uses no files and no programs of this machine"
    assert not screen(session)[0].startswith(" read-only")
    session.press("Q")
    assert session.overlay is None
    assert "stops no engine" in session.notes[-1].text


def test_the_option_is_for_the_console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli._console_options(["--store", "x", "--read-only"]) == {"--store": "x", "--read-only": "1"}
    with pytest.raises(SystemExit) as ended:
        cli.main(["--read-only", "status"])
    assert ended.value.code == 2
    assert "--read-only is for the console" in capsys.readouterr().err


@needs_tmux
@pytest.mark.parametrize(("term", "mouse"), [("xterm-256color", "1"), ("linux", "0")])
def test_in_a_terminal_it_starts_no_engine(tmp_path: Path, store: Path, term: str, mouse: str) -> None:  # noqa: F811
    terminal = Terminal(tmp_path, term)
    try:
        run = f"HOME={tmp_path} PYTHONPATH={ROOT} {sys.executable} -m crowbar_tui.cli --read-only"
        terminal.type(f"{run} --store {store}", "Enter")
        assert terminal.wait("8 health").startswith(" read-only r1 > nodes")
        assert "no engine runs on this" in terminal.screen()
        assert terminal.flag("mouse_any_flag") == mouse
        assert terminal.flag("mouse_all_flag") == "0", "no movement is reported"
        terminal.keys("F2")
        terminal.wait("mouse off" if mouse == "1" else "reports no mouse")
        assert terminal.flag("mouse_any_flag") == "0"
        terminal.type("h")
        terminal.wait(REFUSED)
        terminal.type("q")
        terminal.wait(lambda text: text.rstrip().endswith("$"))
        terminal.type(f"clear; {run} --store {tmp_path}/none", "Enter")
        terminal.wait("there is no store in")
    finally:
        terminal.close()
    assert not held(store)
