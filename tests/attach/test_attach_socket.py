"""The socket by which other processes command an engine: who may ask, what is refused, and that no client can stop or delay it."""

from __future__ import annotations

import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import reasons
from engine.attach import server as attach
from engine.attach.client import Attached, Receipt
from engine.attach.place import SOCKET, AttachError
from engine.attach.protocol import LINE, DoPropose, DoSetAttribute
from engine.attach.server import CLIENTS_OF_ONE, AttachService
from engine.effects import Accept, Refuse
from engine.events import Asked, Operate, Recall, SetAttribute
from engine.reasons import Reason
from engine.requests import Asker, Request


class FakeHost:
    """Works; refuses node `broken`; raises for node `bug`."""

    failure = ""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.stopped = ""
        self.gate = threading.Event()
        self.big: Any = {"nodes": {}}

    def ask(self, event: Asked, timeout_s: float = 30.0) -> Accept | Refuse:
        self.asked.append(event)
        if isinstance(event, Operate) and event.node == "bug":
            raise ValueError("a defect")
        if isinstance(event, Operate) and event.node == "slow":
            assert self.gate.wait(60)
        if isinstance(event, Operate) and event.node == "broken":
            return Refuse(request=Request(Asker.OPERATOR, 1), reason=reasons.busy(node="broken", what="it is booting"))
        return Accept(request=Request(Asker.OPERATOR, 1), message="done")

    def set_secret(self, event: SetAttribute, secret: str) -> Accept | Refuse:
        self.asked.append((event, secret))
        return Accept(request=None, message="sealed")

    def commit_text(self, text: str, name: str, who: str, secrets: Any = None, expects: int | None = None) -> Accept | Refuse:
        self.asked.append((text, name, who))
        return Accept(request=None, message="committed")

    def propose(self, edit: DoPropose, who: str) -> Accept | Refuse:
        self.asked.append((edit, who))
        return Accept(request=None, message="waits")

    def commit_proposals(self, deployments: Sequence[str], seen: Mapping[str, float], who: str) -> Accept | Refuse:
        self.asked.append((deployments, seen, who))
        return Accept(request=None, message="committed")

    def wait(self, seq: int, timeout_s: float) -> int:
        return seq + 1

    def health(self) -> dict[str, Any]:
        return {"events": 3}

    def progress(self) -> dict[str, Any]:
        return self.big  # type: ignore[no-any-return]

    def packets(self, of: str, after: int) -> dict[str, Any] | Reason:
        if of == "nobody":
            return reasons.unknown_thing(what="node, MAC or address", name=of, nearest="n1")
        return {"packets": [], "next": after + 1, "more": False}

    def ask_to_stop(self, who: str) -> None:
        self.stopped = who


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


@pytest.fixture()
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture()
def service(tmp_path: Path, host: FakeHost) -> Iterator[AttachService]:
    made = AttachService(tmp_path, host, user_of=lambda uid: f"user{uid}")
    made.start()
    yield made
    host.gate.set()
    made.stop()


def raw(store: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(60)
    with attach.short_path(store) as path:
        made.connect(path)
    return made


def said(client: socket.socket, line: bytes) -> dict[str, Any]:
    client.sendall(line)
    return one(client)


def one(client: socket.socket) -> dict[str, Any]:
    got = b""
    while not got.endswith(b"\n"):
        piece = client.recv(65536)
        assert piece, "it hung up"
        got += piece
    found = json.loads(got)
    assert isinstance(found, dict)
    return found


# -- what is asked and answered ------------------------------------------------------------------------------------


def test_every_request_has_its_answer(tmp_path: Path, service: AttachService, host: FakeHost) -> None:
    who = f"user{os.getuid()}"
    with Attached(tmp_path) as engine:
        assert engine.operate("power", "n1", value="off") == Receipt(message="done")
        assert engine.operate("retry", "n1", "ntp-client") == Receipt(message="done")
        assert engine.set_attribute("operator", "n1", "target-os", "debian-12") == Receipt(message="done")
        assert engine.set_attribute("hint", "n1", "raid-wanted", 7, pointer="/volumes/0") == Receipt(message="done")
        assert engine.set_attribute("operator", "n1", "key", secret="geheim") == Receipt(message="sealed")
        assert engine.commit("crowbar: 1", "a.yml") == Receipt(message="committed")
        assert engine.propose("web", "{}", base=3, over=0.0) == Receipt(message="waits")
        assert engine.recall("web") == Receipt(message="done")
        assert engine.commit_proposals(["web"], {"web": 2.5}) == Receipt(message="committed")
        health = engine.health()
        assert isinstance(health, Receipt)
        assert health.result == {"events": 3, "attached": 1, "dropped": {}}
        assert engine.progress() == Receipt(result={"nodes": {}})
        assert engine.wait(41) == Receipt(result={"seq": 42})
        assert engine.packets(after=7) == Receipt(result={"packets": [], "next": 8, "more": False})
        refused = engine.packets("nobody")
        assert isinstance(refused, Reason)
        assert refused.code == "unknown_thing"
        ping = engine.ping()
        assert isinstance(ping, Receipt)
        assert ping.result["user"] == who
        assert ping.result["pid"] == os.getpid()
        assert engine.stop() == Receipt(message="the engine stops")
    assert host.stopped == who
    assert host.asked == [
        Operate(who=who, verb="power", node="n1", value="off"),
        Operate(who=who, verb="retry", node="n1", role="ntp-client"),
        SetAttribute(who=who, layer="operator", scope="n1", name="target-os", value="debian-12"),
        SetAttribute(who=who, layer="hint", scope="n1", name="raid-wanted", value=7, pointer="/volumes/0"),
        (SetAttribute(who=who, layer="operator", scope="n1", name="key"), "geheim"),
        ("crowbar: 1", "a.yml", who),
        (DoPropose(id=7, deployment="web", definition="{}", base=3, over=0.0), who),
        Recall(who=who, deployment="web"),
        (["web"], {"web": 2.5}, who),
    ]
    assert "geheim" not in repr(DoSetAttribute(layer="operator", scope="n1", name="key", secret="geheim"))


def test_a_refusal_is_a_reason(tmp_path: Path, service: AttachService) -> None:
    with Attached(tmp_path) as engine:
        assert engine.operate("cycle", "broken") == reasons.busy(node="broken", what="it is booting")


def test_the_kernel_says_who_asks(tmp_path: Path, service: AttachService, host: FakeHost) -> None:
    with raw(tmp_path) as client:
        reply = said(client, b'{"id":1,"do":"operate","verb":"hold","node":"n1","who":"root"}\n')
        assert reply["reason"]["code"] == "bad_request", "there is no way to say who one is"
        assert said(client, b'{"id":2,"do":"operate","verb":"hold","node":"n1"}\n')["ok"]
    assert [e.who for e in host.asked] == [f"user{os.getuid()}"]


def test_names_of_users(tmp_path: Path) -> None:
    inner = tmp_path / "uid_map"
    inner.write_text("         0       4000      1\n         1       0       1\n", encoding="ascii")
    assert attach.user_name(0, inner) == "uid-4000"
    assert attach.user_name(1, inner) == "root"
    inner.write_text("nonsense", encoding="ascii")
    assert attach.user_name(0, inner) == "root"
    assert attach.user_name(0) == "root"
    assert attach.user_name(4_000_000_000) == "uid-4000000000"


# -- what is not understood ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"{\n",
        b"[]\n",
        b'"x"\n',
        b"{}\n",
        b'{"id":3,"do":"rm"}\n',
        b'{"id":3,"do":"operate"}\n',
        b'{"id":3,"do":"operate","verb":1,"node":"n"}\n',
        b'{"id":3,"do":"ping","more":1}\n',
        b"[" * 5000 + b"\n",
        b'{"id":3,"do":"set-attribute","layer":"engine","scope":"n1","name":"x"}\n',
    ],
)
def test_nonsense_is_refused_and_the_talk_goes_on(tmp_path: Path, service: AttachService, host: FakeHost, line: bytes) -> None:
    with raw(tmp_path) as client:
        reply = said(client, line)
        assert (reply["ok"], reply["reason"]["code"]) == (False, "bad_request")
        assert said(client, b'{"do":"ping","id":9}\n')["id"] == 9
    assert host.asked == []


def test_another_version_is_told_which_one_is_spoken(tmp_path: Path, service: AttachService) -> None:
    with raw(tmp_path) as client:
        for line in (b'{"crowbar":2,"id":5,"do":"ping"}\n', b'{"crowbar":2,"id":5,"do":"teleport","new":true}\n'):
            reply = said(client, line)
            assert reply["id"] == 5
            assert reply["reason"] == {"code": "other_version", "fields": {"theirs": 2, "ours": 1}}


def test_a_defect_of_the_engine_is_an_answer(tmp_path: Path, service: AttachService) -> None:
    with Attached(tmp_path) as engine:
        answer = engine.operate("hold", "bug")
        assert isinstance(answer, Reason)
        assert answer.code == "engine_error"
        assert isinstance(engine.ping(), Receipt)


# -- bounds --------------------------------------------------------------------------------------------------------


def test_a_line_without_end_is_refused_and_dropped(tmp_path: Path, service: AttachService) -> None:
    with raw(tmp_path) as client:
        piece = b"x" * 65536
        reply: dict[str, Any] = {}
        try:
            for _ in range(LINE // len(piece) + 2):
                client.sendall(piece)
        except OSError:
            pass  # it hung up before all was sent
        reply = one(client)
        assert reply["reason"]["code"] == "too_many"
    until(lambda: service.clients == 0)
    assert service.dropped == {"too_long": 1}


def test_a_large_plan_passes(tmp_path: Path, service: AttachService, host: FakeHost) -> None:
    text = "# rack\n" * 100_000
    with Attached(tmp_path) as engine:
        assert engine.commit(text) == Receipt(message="committed")
    assert host.asked[0][0] == text


def test_too_many_clients_are_told_so(tmp_path: Path, service: AttachService) -> None:
    clients = [raw(tmp_path) for _ in range(CLIENTS_OF_ONE)]
    until(lambda: service.clients == CLIENTS_OF_ONE)
    with raw(tmp_path) as late:
        assert one(late)["reason"]["code"] == "too_many"
        assert late.recv(1) == b""
    answer_of_the_first = said(clients[0], b'{"do":"ping"}\n')
    assert answer_of_the_first["ok"]
    for client in clients:
        client.close()
    until(lambda: service.clients == 0)
    with Attached(tmp_path) as engine:
        assert isinstance(engine.ping(), Receipt)


def test_who_begins_a_line_and_falls_asleep_is_dropped(tmp_path: Path, service: AttachService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "PATIENCE_S", 0.2)
    with raw(tmp_path) as client:
        client.sendall(b'{"do":')
        assert client.recv(1) == b""
    assert service.dropped == {"slow": 1}


def test_who_drips_a_line_is_dropped_too(tmp_path: Path, service: AttachService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "PATIENCE_S", 0.3)
    with raw(tmp_path) as client:
        client.settimeout(0.02)
        end = time.monotonic() + 60
        dropped = False
        while not dropped:
            assert time.monotonic() < end
            try:
                client.sendall(b" x")
                dropped = client.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                dropped = True
    assert service.dropped == {"slow": 1}


def test_who_does_not_take_the_answer_is_dropped(
    tmp_path: Path, service: AttachService, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "PATIENCE_S", 0.3)
    host.big = {"nodes": {f"n{i}": {"text": "x" * 100} for i in range(20_000)}}
    with raw(tmp_path) as client:
        client.sendall(b'{"do":"progress"}\n')
        until(lambda: service.dropped == {"slow": 1})
    until(lambda: service.clients == 0)


def test_a_slow_answer_keeps_nobody_waiting(tmp_path: Path, service: AttachService, host: FakeHost) -> None:
    with raw(tmp_path) as slow, Attached(tmp_path) as quick:
        slow.sendall(b'{"id":1,"do":"operate","verb":"power","node":"slow"}\n')
        until(lambda: len(host.asked) == 1)
        assert isinstance(quick.ping(), Receipt)
        host.gate.set()
        assert one(slow)["ok"]


# -- the socket itself ---------------------------------------------------------------------------------------------


def test_nobody_else_may_connect(tmp_path: Path, service: AttachService) -> None:
    tmp_path.chmod(0o700)
    assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600


def test_the_group_may_where_it_may_enter_the_store(tmp_path: Path, host: FakeHost) -> None:
    tmp_path.chmod(0o710)
    made = AttachService(tmp_path, host)
    made.start()
    try:
        found = (tmp_path / SOCKET).stat()
        assert (found.st_mode & 0o777, found.st_gid) == (0o660, tmp_path.stat().st_gid)
    finally:
        made.stop()
    assert not (tmp_path / SOCKET).exists()


def test_a_socket_left_over_is_taken_away(tmp_path: Path, host: FakeHost) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old, attach.short_path(tmp_path) as path:
        old.bind(path)
    with pytest.raises(AttachError, match="no engine runs on .*crowbar engine"):
        Attached(tmp_path)
    made = AttachService(tmp_path, host)
    made.start()
    try:
        with Attached(tmp_path) as engine:
            assert isinstance(engine.ping(), Receipt)
    finally:
        made.stop()


def test_a_store_in_a_deep_folder(tmp_path: Path, host: FakeHost) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    made = AttachService(deep, host)
    made.start()
    try:
        with Attached(deep) as engine:
            assert isinstance(engine.ping(), Receipt)
    finally:
        made.stop()


def test_no_engine_is_a_sentence_with_what_to_do(tmp_path: Path) -> None:
    for store in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AttachError, match=r"no engine runs on .*: start one with `crowbar engine`"):
            Attached(store)


def test_an_engine_that_goes_away_is_a_sentence(tmp_path: Path, host: FakeHost) -> None:
    made = AttachService(tmp_path, host)
    made.start()
    with Attached(tmp_path) as engine:
        assert isinstance(engine.ping(), Receipt)
        made.stop()
        with pytest.raises(AttachError, match="stopped or closed the connection"):
            engine.ping()


def test_an_answer_leaves_on_a_high_descriptor(tmp_path: Path, service: AttachService) -> None:
    """A thousand agents hold that many connections; select(2) knows only the descriptors up to 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1300:
        pytest.skip(f"needs 1300 open files, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1300), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Attached(tmp_path) as engine:
            assert isinstance(engine.ping(), Receipt)
    finally:
        for handle in taken:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
