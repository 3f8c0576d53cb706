"""Engines on one database, each a process: they follow, take over, hand over, and do nothing once another one decides."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_machine import PLAN, ROM
from members import One, own_lane, until
from postgres_cluster import Cluster, cluster, missing

from crowbar_tui.cli import main
from engine.attach.client import Attached, Receipt
from engine.attach.protocol import AskDisks, DoJoin, DoPropose, DoRecall, DoSetAttribute
from engine.reasons import Reason
from engine.store.store import Store
from engine.wire.dhcp import DhcpKind, DhcpRequest, decode_reply, encode_request
from engine.wire.reach import Reach

ADMIN, OWN, RELAY = "192.168.124.10", "192.168.124.11", "192.168.124.1"
pytestmark = [pytest.mark.long]


@pytest.fixture()
def plan(tmp_path: Path) -> str:
    file = tmp_path / "plan.yml"
    file.write_text(PLAN)
    return str(file)


@pytest.fixture()
def pair(engines: Callable[..., One], plan: str) -> Iterator[tuple[One, One]]:
    """One leads, the other follows. Each serves on its own lane, as on a machine of its own."""
    a = engines("a", plan=plan).start()
    until(a.leads, a.words)
    b = engines("b", plan=plan, address=OWN).with_keys_of(a).start()
    until(lambda: b.follows("a") and a.leads().get("standbys") == ["b"], lambda: a.words() + b.words())
    return a, b


def test_a_standby_shows_and_refuses(pair: tuple[One, One], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair
    with Attached(b.store) as standby, Attached(a.store) as leader:
        before = leader.wait(0, 0.0)
        for answer in (
            standby.operate("hold", "x"),
            standby.commit(PLAN),
            standby.hand_over(),
            standby.ask(DoPropose(deployment="cloud")),
            standby.ask(DoRecall(deployment="cloud")),
            standby.ask(DoJoin(address="10.0.0.1")),
            standby.ask(DoSetAttribute(layer="deployment", scope="cloud", name="ntp-servers", secret="x")),
            standby.commit_proposals([]),
            standby.packets(),
            standby.bmc("x"),
        ):
            assert answer == Reason("not_leading", {"leader": "a"}), answer
        assert isinstance(standby.ask(AskDisks(nodes=[])), Receipt)
        assert isinstance(standby.ping(), Receipt)
        said = leader.set_attribute("deployment", "cloud", "ntp-servers", ["10.0.0.9"])
        assert isinstance(said, Receipt), said
        seq = leader.wait(0, 0.0)
        assert isinstance(seq, Receipt)
        assert isinstance(before, Receipt)
        assert seq.result["seq"] == before.result["seq"] + 1
        followed = standby.wait(seq.result["seq"] - 1, 30.0)
        assert isinstance(followed, Receipt)
        assert followed.result == seq.result, "it follows the journal"
    assert main(["--store", str(b.store), "status"]) == 0
    assert "\n  a decides, for " in (shown := capsys.readouterr().out), shown
    assert "; b is a standby: give orders on a\n" in shown
    assert main(["--store", str(a.store), "status"]) == 0
    assert "; standbys: b\n" in capsys.readouterr().out


def _get(one: One, address: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    host, port = Reach(int(one._words[2]), ["192.168.124.0/24"])(address, 80)
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=60)) as call:
        call.request(method, path, body="{}" if method == "POST" else None)
        answer = call.getresponse()
        return answer.status, answer.read()


def test_a_standby_serves_bytes_and_decides_nothing(pair: tuple[One, One]) -> None:
    a, b = pair
    until(lambda: b.leading()["serves_not"] == "", b.words)
    for path in ("/image/sledgehammer/vmlinuz", "/image/loader/undionly.kpxe"):
        status, data = _get(a, ADMIN, path)
        assert (status, data) == _get(b, OWN, path)
        assert (status, bool(data)) == (200, True), path
    calls = (("GET", "/boot/script?mac=52:54:00:0a:01:01"), ("POST", "/agent/hello"), ("POST", "/agent/result"), ("GET", "/agent/next"))
    for method, path in calls:
        status, data = _get(b, OWN, path, method)
        assert status in (503, 401), data  # a token of nobody is refused before
    assert _get(b, OWN, "/boot/script?mac=52:54:00:0a:01:01")[1].startswith(b'{"code":"not_leading"')
    assert _get(a, ADMIN, "/boot/script?mac=52:54:00:0a:01:01")[0] != 503


def test_a_hand_over_by_the_command(pair: tuple[One, One], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair
    assert main(["--store", str(a.store), "engine", "hand-over", "--to", "c"]) == 1
    assert "no standby called c follows this store\n  try: name one of these: b\n" in capsys.readouterr().err
    assert main(["--store", str(a.store), "engine", "hand-over", "--to", "b"]) == 0
    assert capsys.readouterr().out.startswith("b decides now, after ")
    until(b.leads, b.words)
    assert main(["--store", str(a.store), "engine", "hand-over"]) == 1
    assert "this engine is a standby, and b decides" in capsys.readouterr().err
    assert main(["--store", str(b.store), "engine", "hand-over"]) == 0
    until(a.leads, a.words)
    assert [one["led"] for one in a.said() if "led" in one] == [1, 3]


def test_a_killed_leader_a_stopped_leader_and_no_standby(pair: tuple[One, One], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair
    began = time.monotonic()
    a.end()  # kill -9
    until(b.leads, b.words)
    assert time.monotonic() - began < 60.0
    assert main(["--store", str(b.store), "engine", "hand-over"]) == 1
    assert "no standby follows this store" in capsys.readouterr().err
    a.start()
    until(lambda: a.follows("b"), a.words)
    assert main(["--store", str(b.store), "engine", "stop"]) == 0
    until(a.leads, a.words)
    with Store.read(a.store) as reader:
        assert reader.verify() == []


class Wire:
    """A relay in front of an engine's DHCP."""

    def __init__(self, number: int) -> None:
        self.reach = Reach(number, ["192.168.124.0/24"])
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(self.reach(RELAY, 67))
        self.socket.settimeout(60.0)

    def send(self, number: int) -> None:
        request = DhcpRequest(
            kind=DhcpKind.DISCOVER, xid=number, mac=f"52:54:00:0a:01:{number:02x}", giaddr=RELAY, vendor_class=ROM, arch=0
        )
        self.socket.sendto(encode_request(request), self.reach(ADMIN, 67))

    def heard(self) -> int:
        """Number of the machine that is answered."""
        return decode_reply(self.socket.recv(4096)).to.xid

    def waiting(self) -> int:
        """How many answers have come."""
        self.socket.setblocking(False)
        many = 0
        try:
            while self.socket.recv(4096):
                many += 1
        except BlockingIOError:
            return many
        return many


def test_a_paused_leader_does_nothing_after_it_continues(pair: tuple[One, One]) -> None:
    """Packets and calls that came during the pause wait in its sockets: it reads them all, and answers none of them."""
    a, b = pair
    wire = Wire(int(a._words[2]))
    wire.send(1)
    assert wire.heard() == 1
    a.send(signal.SIGSTOP)
    for number in range(2, 40):
        wire.send(number)
    host, port = wire.reach(ADMIN, 80)
    call = http.client.HTTPConnection(host, port, timeout=60)
    call.request("GET", "/boot/script?mac=52:54:00:0a:01:01")
    until(b.leads, b.words)
    before = len(a.said())
    a.send(signal.SIGCONT)
    until(lambda: a.follows("b"), a.words)
    with contextlib.closing(call), contextlib.suppress(http.client.HTTPException, OSError):  # it may have closed the connection
        assert call.getresponse().status in (503, 403, 404)
    assert wire.waiting() == 0
    assert [one for one in a.said()[before:] if "effect" in one] == []
    assert b.leads(), "the old leader deposed nobody"
    wire.socket.close()
    with Store.read(b.store) as reader:
        assert reader.verify() == []


@pytest.fixture()
def own_cluster() -> Iterator[Cluster]:
    if why := missing():
        pytest.skip(why)
    with cluster() as made:
        yield made


def _quorum(made: Cluster, names: str) -> None:
    import psycopg

    with psycopg.connect(made.name("postgres"), autocommit=True) as db:
        db.execute("SET synchronous_commit = local")
        db.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")  # type: ignore[arg-type]
        db.execute("SELECT pg_reload_conf()")


def test_without_a_quorum_nobody_decides(own_cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A synchronous standby that does not exist: each commit waits. The reads still work."""
    database = own_cluster.new()
    a = One(tmp_path, "a", database, own_lane(tmp_path, "a"), 2.0).start()
    b = One(tmp_path, "b", database, own_lane(tmp_path, "b"), 2.0)
    both = (a, b)
    try:
        until(a.leads, a.words)
        b.with_keys_of(a).start()
        until(lambda: b.follows("a"), b.words)
        _quorum(own_cluster, "nobody")
        until(lambda: all("takes no commit" in one.leading().get("trouble", "") for one in both), lambda: a.words() + b.words())
        with Attached(b.store) as standby:
            answer = standby.operate("hold", "x")
            assert isinstance(answer, Reason)
            assert answer.code == "no_leader"
        assert main(["--store", str(b.store), "status"]) == 0
        shown = capsys.readouterr().out
        assert "the database takes no commit" in shown, shown
        assert "try: check PostgreSQL" in shown
        _quorum(own_cluster, "")
        until(lambda: sum(bool(one.leads()) for one in both) == 1, lambda: a.words() + b.words())
        leader = next(one for one in both if one.leads())
        until(lambda: all(one is leader or one.follows(leader.name) for one in both), lambda: a.words() + b.words())
    finally:
        for one in both:
            one.end()


def test_a_database_that_is_away(own_cluster: Cluster, tmp_path: Path) -> None:
    """Its power fails. A commit that may be lost is a crash: the leader follows again, and somebody leads once the database is back."""
    database = own_cluster.new()
    a = One(tmp_path, "a", database, own_lane(tmp_path, "a"), 2.0).start()
    b = One(tmp_path, "b", database, own_lane(tmp_path, "b"), 2.0)
    both = (a, b)
    try:
        until(a.leads, a.words)
        b.with_keys_of(a).start()
        until(lambda: b.follows("a"), b.words)
        own_cluster.kill()
        until(lambda: all(one.leading().get("trouble") for one in both), lambda: a.words() + b.words())
        own_cluster.start()
        until(lambda: sum(bool(one.leads()) for one in both) == 1, lambda: a.words() + b.words())
    finally:
        for one in both:
            one.end()
