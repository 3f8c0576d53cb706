"""Halls: a file that names engines, looks at real ones, and the list."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crowbar_tui.cli import main
from crowbar_tui.console.halls import HallList, command_of
from crowbar_tui.console.halls_app import HallsApp
from crowbar_tui.console.styled import Line, plain
from engine.api.halls import HALLS, Hall, HallSeen, look_at, read_halls
from engine.files.mistakes import PlanError
from engine.runtime.engine import Engine
from engine.views.summary import Summary, Why

A = "name: a, store: /s"
B = 'name: b, api: "https://10.0.0.2:8443", token: t'


def written(folder: Path, *halls: str) -> Path:
    file = folder / "halls.yml"
    file.write_text("halls:\n" + "".join(f"  - {{{one}}}\n" for one in halls))
    return file


def test_a_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    more = 'name: c, api: "http://127.0.0.1:1", certificate: c.crt, key: /k/c.key, ca: ca.crt, ssh: ops@hall-c.example'
    assert read_halls(written(tmp_path, A, B, more)) == (
        Hall(name="a", store="/s"),
        Hall(name="b", api="https://10.0.0.2:8443", token=f"{tmp_path}/t"),
        Hall(
            name="c",
            api="http://127.0.0.1:1",
            certificate=f"{tmp_path}/c.crt",
            key="/k/c.key",
            ca=f"{tmp_path}/ca.crt",
            ssh="ops@hall-c.example",
        ),
    )


@pytest.mark.parametrize(
    ("halls", "expected"),
    [
        (("name: a",), "expected either store or api"),
        ((A + ", api: x",), "expected either store or api"),
        ((A, B.replace("b,", "a,")), "expected a name that no other hall has"),
        ((A, "name: c, store: /t"), "expected one hall with a store"),
        ((A + ", token: t",), "expected nothing here"),
        (('name: b, api: "http://10.0.0.2:8443", token: t',), "http only on loopback"),
        (('name: b, api: "ftp://10.0.0.2", token: t',), "expected the address of an API"),
        (('name: b, api: "https://10.0.0.2:99999", token: t',), "expected the address of an API"),
        (('name: b, api: "https://10.0.0.2:8443"',), "expected a token, or a certificate"),
        ((B + ", key: k",), "certificate and key together"),
        ((B + ', ssh: "-oProxyCommand=touch x"',), "expected USER@HOST"),
        ((B + ', ssh: "host; reboot"',), "expected USER@HOST"),
        (("store: /s",), "name"),
        (("name: a b, store: /s",), "name"),
        (("name: a, store: /s, colour: red",), "colour"),
        ((), "from 1 to"),
        (tuple(B.replace("b,", f"b{n},") for n in range(HALLS + 1)), f"from 1 to {HALLS}"),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, halls: tuple[str, ...], expected: str) -> None:
    file = written(tmp_path, *halls)
    if not halls:
        file.write_text("halls: []\n")
    with pytest.raises(PlanError) as raised:
        read_halls(file)
    assert expected in str(raised.value)
    assert str(raised.value).startswith(f"{file}:")


def token_file(folder: Path, token: str, mode: int = 0o600) -> str:
    file = folder / "token"
    file.write_text(f"{token}\n")
    file.chmod(mode)
    return str(file)


def test_a_look_at_two_engines(engine: Engine, url: str, token: str, store: Path, tmp_path: Path) -> None:
    own = Hall(name="own", store=str(store))
    other = Hall(name="other", api=url, token=token_file(tmp_path, token))
    mine, theirs = look_at((own, other))
    assert mine.summary is not None
    assert (mine.runs, theirs.runs, mine.summary.nodes) == (True, True, 3)
    assert theirs.summary == mine.summary
    engine.stop()
    mine, theirs = look_at((own, other))
    assert (mine.runs, mine.summary is not None) == (False, True)
    assert "does not answer" in theirs.why


@pytest.fixture()
def silent() -> Iterator[str]:
    """An API that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture()
def liar() -> Iterator[Callable[[bytes], str]]:
    """An API that answers each connection with these octets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(answer: bytes) -> str:
            def run() -> None:
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

            threading.Thread(target=run, daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield serve


def test_a_silent_hall_delays_no_other(silent: str, engine: Engine, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.api.halls.LOOK_S", 1.0)
    token = token_file(tmp_path, "crowbar_x")
    halls = (*(Hall(name=f"s{n}", api=silent, token=token) for n in range(8)), Hall(name="own", store=str(store)))
    *others, own = look_at(halls)
    assert own.summary is not None
    assert all("timed out" in one.why for one in others)
    assert max(one.at for one in others) - own.at < 5.0, "not one after the other, which takes eight"


def test_a_hall_that_answers_an_octet_at_a_time_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.api.halls.LOOK_S", 0.5)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            client, _ = listener.accept()
            with client:
                while not ended.wait(0.1):
                    client.sendall(b"H")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        hall = Hall(name="x", api=f"http://127.0.0.1:{listener.getsockname()[1]}", token=token_file(tmp_path, "crowbar_x"))
        (seen,) = look_at((hall,))
        ended.set()
        thread.join(60)
    assert seen.summary is None
    assert "does not answer" in seen.why


@pytest.mark.parametrize(
    "answer", [b"[1]", b"{}", b'{"nodes": "many"}', b"\xff", b"[" * 5000], ids=["list", "empty", "text", "octets", "deep"]
)
def test_a_hall_that_answers_nonsense_is_silent(liar: Callable[[bytes], str], tmp_path: Path, answer: bytes) -> None:
    (seen,) = look_at((Hall(name="x", api=liar(answer), token=token_file(tmp_path, "crowbar_x")),))
    assert seen.summary is None
    assert seen.why


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("crowbar_wrong", 0o600, "refused"),
        ("crowbar_x", 0o644, "others may read"),
        ("two words", 0o600, "no token"),
        ("", 0o600, "no token"),
    ],
)
def test_a_token_that_is_none(url: str, tmp_path: Path, text: str, mode: int, why: str) -> None:
    (seen,) = look_at((Hall(name="x", api=url, token=token_file(tmp_path, text, mode)),))
    assert why in seen.why
    assert not text or text not in seen.why or text == "two words"


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_lines(
    engine: Engine, url: str, token: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token_file(tmp_path, token)
    file = written(tmp_path, f"name: own, store: {store}", f'name: other, api: "{url}", token: token')
    assert main(["halls", str(file), "--json"]) == 0
    own, other, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["hall"] for one in (own, other)] == ["own", "other"]
    assert (other["type"], other["nodes"], other["state"]) == ("hall", 3, own["state"])
    assert last == {"type": "summary", "halls": 2, "silent": 0}
    file = written(tmp_path, f"name: own, store: {store}", 'name: far-away, api: "http://127.0.0.1:9", token: token')
    assert main(["halls", str(file), "--once"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"own       {own['state']:<8}  {own['ready']} of 3 ready")
    assert second.startswith("far-away  silent")
    assert main(["halls", str(tmp_path / "none.yml"), "--once"]) == 2


# -- the list ---------------------------------------------------------------------------------------------------------

HALLS_SHOWN = (
    Hall(name="own", store="/var/lib/crowbar/store"),
    Hall(name="north", api="https://10.0.0.2:8443", ssh="ops@north"),
    Hall(name="south", api="https://10.0.0.3:8443"),
)


def whole(nodes: int, ready: int, failed: int = 0, **waiting: str) -> Summary:
    told = {name: Why(code="x", fields={}, sentence=text) for name, text in waiting.items()}
    return Summary(nodes=nodes, ready=ready, failed=failed, boots=0, waiting=told, sightings=0, deployments={}, held_up={})


def drawn(shown: HallList, columns: int = 80, rows: int = 10, now: float = 100.0) -> list[str]:
    lines: list[Line] = shown.lines(columns, rows, now)
    texts = [plain(one) for one in lines]
    assert len(texts) == rows
    assert all(len(text) <= columns for text in texts)
    return [text.rstrip() for text in texts]


def test_the_list_says_what_each_hall_does() -> None:
    shown = HallList(HALLS_SHOWN)
    assert "3 halls" in drawn(shown)[0]
    shown.take(
        [
            HallSeen(hall="own", at=99.0, runs=True, summary=whole(40, 40)),
            HallSeen(hall="north", at=99.0, runs=True, summary=whole(38, 30, 1, **{"node-7.example": "no memory"})),
            HallSeen(hall="south", at=99.0, why="the API at https://10.0.0.3:8443 does not answer"),
        ]
    )
    title, _, _, own, north, south, *_ = drawn(shown, 120)
    assert "3 halls, 1 silent, 1 problems, 1 ready" in title
    assert "own" in own and "40 of 40" in own and "ready" in own  # noqa: PT018  one row
    assert "30 of 38" in north and "node-7: no memory" in north  # noqa: PT018
    assert "does not answer" in south
    assert all(len(drawn(shown, columns, rows)) == rows for columns, rows in ((80, 24), (40, 6), (160, 48)))


def test_a_hall_that_falls_silent_keeps_its_last_figures_with_their_age() -> None:
    shown = HallList(HALLS_SHOWN)
    shown.take([HallSeen(hall="north", at=40.0, runs=True, summary=whole(38, 38))])
    shown.take([HallSeen(hall="north", at=99.0, why="it is gone")])
    north = drawn(shown, 120)[4]
    assert "silent" in north and "38 of 38" in north and "1m00s ago" in north and "it is gone" in north  # noqa: PT018


def test_words_of_another_engine_move_no_cursor() -> None:
    shown = HallList(HALLS_SHOWN)
    shown.take([HallSeen(hall="south", at=99.0, why="\x1b[2J\x07gone\n")])
    assert "\x1b" not in "".join(drawn(shown)) and "\x07" not in "".join(drawn(shown))  # noqa: PT018


def test_keys_and_what_enter_opens() -> None:
    shown = HallList(HALLS_SHOWN)
    own = shown.press("enter")
    assert own is not None
    assert own[1:] == ["-m", "crowbar_tui.cli", "--store", "/var/lib/crowbar/store"]
    assert shown.press("j") is None
    assert shown.press("enter") == ["ssh", "-t", "--", "ops@north", "crowbar", "--read-only"]
    shown.press("G")
    assert shown.press("enter") is None
    assert "no `ssh`" in drawn(shown)[-1]
    assert command_of(HALLS_SHOWN[2]) == []
    shown.press("up")
    assert shown.at == 1
    assert shown.press("q") == []


def test_many_halls_scroll_with_the_cursor() -> None:
    shown = HallList([Hall(name=f"hall-{n}", store="/s") for n in range(40)])
    assert "hall-0" in "\n".join(drawn(shown))
    shown.press("G")
    text = "\n".join(drawn(shown))
    assert "hall-39" in text
    assert "hall-0 " not in text


def test_the_app_looks_and_opens() -> None:
    looked = threading.Event()

    def look(halls: tuple[Hall, ...]) -> list[HallSeen]:
        looked.set()
        return [HallSeen(hall=hall.name, at=100.0, runs=True, summary=whole(4, 4)) for hall in halls]

    async def run() -> list[str] | None:
        app = HallsApp(HallList(HALLS_SHOWN), look, lambda: 100.0)
        async with app.run_test(size=(80, 24)) as pilot:
            while not any("4 of 4" in plain(one) for one in app.sheet.lines):
                await pilot.pause(0.02)
            await pilot.press("j", "enter")
        return app.return_value

    assert asyncio.run(asyncio.wait_for(run(), 60)) == ["ssh", "-t", "--", "ops@north", "crowbar", "--read-only"]
    assert looked.is_set()
