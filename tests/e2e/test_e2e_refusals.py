"""What must be refused is, with its reason on the node or the sighting: calls of machines by real HTTP, and the ways in which an engine cannot work.

In each of the latter one sentence says what to do, and nothing is lost: the store opens and is whole afterwards.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowbar_process import PATIENCE_S, Ended, command, crowbar, environment, here, rack_folder, spawn, stop_rack, wait_until
from fake_machine import FakeMachine, plan, running

from engine.model import Node, State
from engine.racks.simulated.spec import parse
from engine.reasons import sentence
from engine.runtime.engine import Engine
from engine.store.store import Store, StoreError
from engine.trust.tokens import new_nonce
from engine.views.chain import why_chain
from engine.wire.reach import Reach


@pytest.fixture()
def engine(store: Path) -> Iterator[Engine]:
    with running(store) as engine:
        yield engine


@pytest.fixture()
def hasty(store: Path) -> Iterator[Engine]:
    """One that soon finds a silent machine dead."""
    with running(store, silence_s=3.0) as engine:
        yield engine


@pytest.fixture()
def machine(engine: Engine) -> FakeMachine:
    return FakeMachine(engine, 1)


def node_of(machine: FakeMachine) -> Node:
    return machine.engine.world.nodes[machine.node]


def shown(machine: FakeMachine) -> str:
    """All that `crowbar explain NODE` says."""
    world = machine.engine.world
    chain = why_chain(world, world.nodes[machine.node])
    return "\n".join([*(link.sentence for link in chain.links), *(f"{fact.label}: {fact.text}" for fact in chain.facts)])


def noticed(machine: FakeMachine, code: str) -> str:
    """The reason with that code is on the node; its sentence."""
    wait_until(
        lambda: (n := node_of(machine).notice) is not None and n.code == code, lambda: f"{node_of(machine).notice} is not {code}", 30
    )
    notice = node_of(machine).notice
    assert notice is not None
    assert sentence(notice) in shown(machine)
    return sentence(notice)


# -- claims --------------------------------------------------------------------------------------------------------


def test_a_second_claim(machine: FakeMachine) -> None:
    machine.script()
    first = machine.hello("boot-a")
    assert first.status == 200, first
    before = node_of(machine)
    other = machine.hello("boot-b")
    assert (other.status, other.code) == (403, "second_claim"), other
    assert machine.mac in noticed(machine, "second_claim")
    assert node_of(machine).boot_id == before.boot_id == "boot-a"
    assert (
        machine.call("POST", "/agent/progress", {"id": "x-1.1", "percent": 1}, token=first.json["token"]).status == 409
    )  # its token is good
    again = machine.hello("boot-a")
    assert again.status == 200, again
    assert {**again.json, "time": 0} == {**first.json, "time": 0}


def test_a_nonce_that_was_never_given_out(machine: FakeMachine) -> None:
    machine.script()
    assert machine.hello("boot-a").status == 200
    machine.nonce = "0" * 32
    refused = machine.hello("boot-b")
    assert (refused.status, refused.code) == (403, "unknown_nonce"), refused
    noticed(machine, "unknown_nonce")
    assert node_of(machine).boot_id == "boot-a"


def test_the_nonce_of_another_boot(machine: FakeMachine) -> None:
    """One boot has one nonce, however often it is asked for. One that the engine made, and gave to nobody, opens nothing."""
    given = machine.script()
    assert given
    assert machine.script() == given
    machine.nonce = machine.engine.adapters.keys.nonce(new_nonce())
    refused = machine.hello("boot-a")
    assert (refused.status, refused.code) == (403, "unknown_nonce"), refused
    assert machine.engine.world.node_named(machine.node) is None
    machine.nonce = given
    assert machine.hello("boot-a").status == 200


def test_an_old_token(hasty: Engine) -> None:
    """After the next boot the token of the boot before is of no use, and a result that comes with it is acknowledged and dropped."""
    machine = FakeMachine(hasty, 1)
    machine.script()
    assert machine.hello("boot-a").status == 200
    old = machine.token
    order = machine.next()
    assert machine.up_again("boot-b").status == 200
    assert machine.token != old
    for method, path, body in (
        ("GET", "/agent/next", None),
        ("GET", f"/agent/task/{order['id']}", None),
        ("POST", "/agent/progress", {"id": order["id"], "percent": 50}),
        ("POST", "/agent/bye", {"reason": "reboot"}),
    ):
        refused = machine.call(method, path, body, token=old)
        assert (refused.status, refused.code) == (410, "old_boot"), (path, refused)
    told = machine.call("POST", "/agent/result", {"id": order["id"], "exit": 0, "gives": {"bmc": {"address": "10.9.9.9"}}}, token=old)
    assert (told.status, told.code, told.json["acknowledged"]) == (200, "old_boot", True), told
    assert node_of(machine).bmc is None
    assert node_of(machine).boot_id == "boot-b"


def test_a_made_up_token(machine: FakeMachine) -> None:
    machine.script()
    assert machine.hello("boot-a").status == 200
    forged = machine.token[:-1] + ("0" if machine.token[-1] != "0" else "1")
    for token in (forged, "", "x", f"{machine.node}..", "n2" + machine.token[2:]):
        refused = machine.call("GET", "/agent/next", token=token)
        assert (refused.status, refused.code) == (401, "unauthorised"), (token, refused)
    system = machine.call("GET", "/image/debian-12/root.ext4.zst", token=forged)
    assert system.status == 401, system


def test_a_wrong_credential(machine: FakeMachine) -> None:
    machine.script()
    assert machine.hello("boot-a").status == 200
    refused = machine.hello("boot-b", nonce="", credential=f"{machine.node}.{'0' * 64}", environment="debian-12")
    assert refused.status == 403, refused
    assert node_of(machine).boot_id == "boot-a"
    assert node_of(machine).notice is not None


def test_a_stale_attempt(machine: FakeMachine) -> None:
    """A result of an attempt that is not the present one is acknowledged, else it would be sent for ever; it changes nothing."""
    machine.script()
    assert machine.hello("boot-a").status == 200
    order = machine.next()
    attempt = order["id"].rpartition(".")[0]
    installation = attempt.rpartition("-")[0]
    before = dict(machine.engine.world.node_roles)
    for stale in (f"{installation}-999.1", "another-1.1", f"{attempt}.7"):
        told = machine.result(stale, gives={"bmc": {"address": "10.9.9.9"}})
        assert told.status == 200, told
        assert told.json["acknowledged"] is True
    said = noticed(machine, "late")
    assert "another-1" in said or "999" in said
    assert dict(machine.engine.world.node_roles) == before
    assert node_of(machine).bmc is None


def test_a_result_of_another_node(engine: Engine) -> None:
    """A node cannot end what runs on another one, though its token is good."""
    one, two = FakeMachine(engine, 1), FakeMachine(engine, 2)
    for machine in (one, two):
        machine.script()
        assert machine.hello(f"boot-{machine.serial}").status == 200
    order = one.next()
    told = two.result(order["id"], gives={"bmc": {"address": "10.9.9.9"}})
    assert told.status == 200, told
    noticed(two, "late")
    (role,) = [r for r in engine.world.node_roles.values() if order["id"].startswith(f"{r.attempt}.") and r.attempt]
    assert (role.node, role.state) == (one.node, State.TRANSITION)
    assert two.call("GET", f"/agent/task/{order['id']}", token=two.token).status == 404


# -- identity ------------------------------------------------------------------------------------------------------


def test_a_machine_that_does_not_list_the_mac_it_booted_from(machine: FakeMachine) -> None:
    """The nonce was given to one MAC, and the hello says that the machine has others: it becomes no node."""
    machine.script()
    refused = machine.hello("boot-a", macs=["52:54:00:0b:00:01"])
    assert (refused.status, refused.code) == (403, "mac_not_listed"), refused
    sighting = machine.engine.world.sightings[machine.mac]
    assert sighting.reason is not None
    assert sighting.reason.code == "mac_not_listed"
    assert machine.mac in sentence(sighting.reason)
    assert [n for n in machine.engine.world.nodes if n != "admin"] == []


def test_a_node_that_lies_about_its_mac(machine: FakeMachine) -> None:
    """The same of a machine that is a node already: the reason is on the node, and it stays what it was."""
    machine.script()
    assert machine.hello("boot-a").status == 200
    machine.script()
    refused = machine.hello("boot-b", macs=["52:54:00:0b:00:01"])
    assert (refused.status, refused.code) == (403, "mac_not_listed"), refused
    noticed(machine, "mac_not_listed")
    assert node_of(machine).macs == (machine.mac,)


def test_a_node_that_claims_the_mac_of_another(engine: Engine) -> None:
    one, two = FakeMachine(engine, 1), FakeMachine(engine, 2)
    one.script()
    assert one.hello("boot-a").status == 200
    two.script()
    refused = two.hello("boot-c", macs=[two.mac, one.mac])
    assert (refused.status, refused.code) == (403, "identity_conflict"), refused
    reason = engine.world.sightings[two.mac].reason
    assert reason is not None
    assert reason.code == "identity_conflict"
    assert engine.world.nodes[one.node].macs == (one.mac,)


def test_a_machine_with_the_uuid_of_another(engine: Engine) -> None:
    """Both are up at once on different ports, so they are two machines."""
    one, two = FakeMachine(engine, 1), FakeMachine(engine, 2)
    one.script()
    assert one.hello("boot-a").status == 200
    two.script()
    assert two.hello("boot-c", uuid=one.uuid).status == 200
    nodes = {n.macs: n for n in engine.world.nodes.values() if n.macs}
    assert set(nodes) == {(one.mac,), (two.mac,)}
    assert nodes[(one.mac,)].boot_id == "boot-a"


# -- an engine that cannot work ------------------------------------------------------------------------------------


def one_sentence(found: Ended, *words: str) -> None:
    """Refused in one line that has these words in it."""
    assert found.code in (1, 2), found
    lines = found.err.splitlines()
    assert len(lines) == 1, found
    assert lines[0].startswith("crowbar: ")
    for word in words:
        assert word in lines[0], found
    assert found.out == "", found


def whole(store: Path) -> None:
    """The store opens, and is the sum of its journal."""
    with Store.open(store) as opened:
        assert opened.verify() == []


RUN = ("rehearse", "--nodes", "1", "--network", "loopback", "--headless", "--json")


def test_a_second_engine_on_the_store(store: Path) -> None:
    with running(store) as engine:
        seq = settled_seq(engine)
        found = crowbar(store, "engine")
        one_sentence(found, "another engine", str(os.getpid()), "stop it")
        assert engine.failure == ""
        assert engine.seq == seq
    whole(store)


def test_a_port_in_use(store: Path) -> None:
    """Somebody else serves on one of the ports: the second run of a rehearsal finds its lane in use."""
    first = crowbar(store, *RUN)
    assert first.code == 0, first
    spec = parse((rack_folder(store) / "rack.yml").read_text(encoding="utf-8"))
    for port, kind in ((67, socket.SOCK_DGRAM), (80, socket.SOCK_STREAM)):
        host, number = Reach(spec.lane)(spec.admin, port)
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind is socket.SOCK_STREAM)  # the first run's connections linger
            taken.bind((host, number))
            if kind is socket.SOCK_STREAM:
                taken.listen()
            found = crowbar(store, *RUN)
            one_sentence(found, str(number), host, "in use", "stop it")
            whole(store)
    again = crowbar(store, *RUN)
    assert again.code == 0, again


@pytest.mark.long
def test_the_socket_of_a_killed_engine_bars_nobody(store: Path) -> None:
    """What a killed engine leaves behind (lock file, sockets) is no obstacle for the next one."""
    out = store.with_name("out")
    process = spawn(store, *RUN, out=out)
    try:
        wait_until(lambda: out.exists() and out.stat().st_size > 0, lambda: "it says nothing")
    finally:
        process.kill()
        process.wait()
    found = crowbar(store, *RUN)
    assert found.code == 0, found
    whole(store)


def test_a_store_that_is_a_file(store: Path) -> None:
    store.write_text("not a directory")
    one_sentence(crowbar(store, "engine"), str(store), "directory")
    assert store.read_text() == "not a directory"


def test_a_store_that_is_none(store: Path) -> None:
    store.mkdir()
    (store / "store.db").write_bytes(b"this is no database" * 1000)
    for words in (("engine",), ("status",), ("nodes", "--json")):
        one_sentence(here(store, *words) if words != ("engine",) else crowbar(store, *words), "store.db", "is not a store", "move it away")
    assert (store / "store.db").read_bytes() == b"this is no database" * 1000


def test_a_store_that_is_not_there(store: Path) -> None:
    for words in (("status",), ("nodes",), ("roles",), ("events",), ("explain", "node-1")):
        one_sentence(here(store, *words), str(store), "--store")
    assert not store.exists()


def test_a_store_that_may_not_be_read(store: Path) -> None:
    """As another user: who is root reads everything."""
    if os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv (util-linux)")
    with Store.open(store) as opened:
        assert opened.verify() == []
    for path in [*store.parents][: len(store.parents) - 2]:
        if any(path != root and path.is_relative_to(root) for root in (Path("/tmp"), Path("/dev/shm"))):
            path.chmod(path.stat().st_mode | 0o011)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *command(store, "engine")],
        capture_output=True,
        text=True,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        check=False,
        timeout=PATIENCE_S,
    )
    if "Permission denied" in done.stderr and sys.executable in done.stderr:
        pytest.skip("another user cannot run this Python")
    one_sentence(Ended(done.returncode, done.stdout, done.stderr), str(store), "run as the user that owns it")
    whole(store)


def settled_seq(engine: Engine) -> int:
    """The last row, when the admin node's own roles are done and nothing more comes by itself."""
    admin = engine.world.roles_of["admin"]
    wait_until(lambda: all(engine.world.node_roles[k].state is State.ACTIVE for k in admin), lambda: str(engine.world.node_roles), 30)
    with Store.read(engine.config.store) as reader:
        return reader.seq


def full_after(limit: int) -> None:
    """In the child: no file may grow beyond so many octets. SQLite sees a write that fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.long
def test_no_file_can_grow(store: Path) -> None:
    """The engine stops with a sentence when the store cannot be written; what was recorded is whole, and the next start goes on."""
    first = crowbar(store, *RUN)
    assert first.code == 0, first
    size = (store / "store.db").stat().st_size
    for limit in (4096, size, size + 20_000):
        done = subprocess.run(
            command(store, *RUN),
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
            timeout=PATIENCE_S,
            preexec_fn=lambda limit=limit: full_after(limit),
        )
        stop_rack(store)
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode:  # a little may fit in
            assert done.returncode in (1, 2)
            assert any(word in done.stderr for word in ("full", "free", "space", "disk")), done.stderr
        whole(store)
    again = crowbar(store, *RUN)
    assert again.code == 0, again


SMALL = """\
set -eu
mount -t tmpfs -o size=3m,mode=0700 tmpfs "$1"
shift
exec "$@"
"""


def test_a_full_disk(store: Path) -> None:
    """A real one, of three megabytes, in a namespace of its own: full while the images are made or while the journal grows."""
    probe = subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs unshare -Urm: user namespaces are not allowed here")
    store.mkdir()
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", SMALL, "sh", str(store), *command(store, *RUN)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=PATIENCE_S,
    )
    one_sentence(Ended(done.returncode, done.stdout, done.stderr), "full", "free")
    # The mount went with its namespace; the directory below is as it was.
    assert list(store.iterdir()) == []
    again = crowbar(store, *RUN)
    assert again.code == 0, again


def test_a_disk_that_fills_up_under_a_running_engine(store: Path) -> None:
    """The commit fails, the engine says so and stops, nothing of the batch is half recorded."""
    with running(store) as engine:
        resource_before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        machine = FakeMachine(engine, 1)
        machine.script()
        seq = settled_seq(engine)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource_before[1]))
            refused = machine.hello("boot-a")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, resource_before)
            signal.signal(signal.SIGXFSZ, handler)
        assert refused.status == 503, refused
        wait_until(lambda: bool(engine.failure), lambda: "it goes on", 30)
        assert "disk" in engine.failure
    with Store.open(store) as opened:
        assert opened.verify() == []
        assert opened.seq == seq
    with running(store) as engine:
        machine = FakeMachine(engine, 1)
        machine.script()
        assert machine.hello("boot-a").status == 200


def test_the_lock_is_free_after_a_refusal(store: Path) -> None:
    """An engine that could not start holds nothing."""
    with Store.open(store), pytest.raises(StoreError, match="another engine"), running(store, plan()):
        pass
    with running(store):
        pass
