"""`crowbar node join` against a real sshd: who may come in, what is left behind, and what the joined machine then does."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crowbar_process import Ended, command, environment, wait_until
from holding import holding
from installed_machine import MAC, PASSWORD, SERIAL, UUID, Installed

from engine.attach.client import Attached, Receipt
from engine.attach.protocol import DoJoin
from engine.effects import Accept, Refuse
from engine.model import Kind, Node, State
from engine.reasons import no_plan, sentence
from engine.runtime.adoption import Adoption
from engine.runtime.engine import Engine

pytestmark = pytest.mark.client
ADDRESS = "10.0.0.200"
Machines = Callable[..., Installed]


def crowbar(engine: Engine, *words: str, stdin: str = "") -> Ended:
    argv = command(engine.config.store, *words)
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=120, env=environment(), check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def join(engine: Engine, *words: str, password: str = PASSWORD) -> Ended:
    return crowbar(engine, "node", "join", ADDRESS, "--password-stdin", *words, stdin=password + "\n")


def asks(engine: Engine, **fields: Any) -> str:
    """What the engine says to the same question without the command: the sentence of a receipt or of a refusal."""
    with Attached(engine.config.store) as attached:
        answer = attached.join(ADDRESS, **{"password": PASSWORD, **fields})
    return answer.message if isinstance(answer, Receipt) else sentence(answer)


def joined(engine: Engine) -> Node | None:
    return next((n for n in engine.world.nodes.values() if n.kind is Kind.JOINED), None)


def ready(engine: Engine) -> bool:
    node = joined(engine)
    roles = [r for r in engine.world.node_roles.values() if node is not None and r.node == node.id]
    assert not [r.failure for r in roles if r.state is State.ERROR]
    return node is not None and node.alive and len(roles) == 2 and all(r.state is State.ACTIVE for r in roles)


def no_secret_in(folder: Path, secret: str) -> None:
    assert holding(folder, secret) == []


def test_an_installed_machine_is_adopted_runs_a_role_reboots_and_is_let_go(engine: Engine, machines: Machines, tmp_path: Path) -> None:
    machine = machines()
    owner = machine.keys
    unconfirmed = join(engine)
    assert unconfirmed.code == 1
    assert f"shows the SSH host key {machine.fingerprint}" in unconfirmed.err, unconfirmed
    assert machine.keys == owner, "something was changed before the host key was confirmed"
    done = join(engine, "--host-key", machine.fingerprint)
    assert done.code == 0, done
    assert "old-db.r1.test is joined: debian-12 at 10.0.0.200" in done.out
    assert machine.keys == [*owner, f"{engine.adapters.ssh_key.public} crowbar"]
    node = joined(engine)
    assert node is not None
    assert (node.uuid, node.serial, node.macs, node.host_key) == (UUID, SERIAL, (MAC,), " ".join(machine.host_key.split()[:2]))
    wait_until(lambda: ready(engine), lambda: str([r for r in engine.world.node_roles.values() if r.node == node.id]))
    assert machine.read("etc/motd") == "This machine belongs to a rack.\n"
    assert engine.world.node_roles[(node.id, "inventory")].gave["cpus"] >= 1
    again = join(engine, "--host-key", machine.fingerprint)
    assert (again.code, len(engine.world.nodes)) == (1, 2), again
    assert "belongs to node old-db.r1.test" in again.err
    machine.reboot("boot-2")
    wait_until(lambda: (n := joined(engine)) is not None and n.boot_id == "boot-2" and ready(engine), lambda: str(joined(engine)))
    assert [line["name"] for line in crowbar(engine, "nodes", "--json").lines] == ["old-db.r1.test"]
    assert crowbar(engine, "node", "old-db", "delete").code == 0
    wait_until(lambda: machine.keys == owner, lambda: str(machine.keys))
    assert joined(engine) is None
    no_secret_in(tmp_path / "store", PASSWORD)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host_key": "SHA256:" + "A" * 43}, "not the confirmed one; the engine sent nothing to it"),
        ({"host_key": "what the screen shows"}, "the host key must be SHA256:... or a line"),
        ({"password": "wrong"}, "root cannot log in at 10.0.0.200: root may not log in with that password"),
        ({"password": ""}, "is not usable"),
        ({"user": "nobody-here"}, "nobody-here cannot log in at 10.0.0.200"),
        ({"name": "Not a name"}, "the name must be a host name"),
        ({"password": None}, "root cannot log in at 10.0.0.200: root may not log in with the engine's key"),
    ],
)
def test_nobody_comes_in_who_may_not(engine: Engine, machines: Machines, fields: dict[str, Any], said: str) -> None:
    machine = machines()
    owner = machine.keys
    assert said in asks(engine, **{"host_key": machine.fingerprint, **fields})
    assert machine.keys == owner
    assert joined(engine) is None


def test_a_key_of_the_operator_opens_too_and_a_wrong_one_does_not(engine: Engine, machines: Machines, tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / name)], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(tmp_path / "locked")], check=True)
    machine = machines(files={"root/.ssh/authorized_keys": (tmp_path / "right.pub").read_text()})

    def by(name: str) -> str:
        return asks(engine, host_key=machine.host_key, password=None, private_key=(tmp_path / name).read_text())

    assert "may not log in with that key" in by("wrong")
    assert "has a passphrase" in by("locked")
    assert "is not usable" in by("right.pub")
    words = ("node", "join", ADDRESS, "--host-key", machine.host_key, "--key")
    assert crowbar(engine, *words, str(tmp_path / "missing")).code == 2
    done = crowbar(engine, *words, str(tmp_path / "right"), "--json")
    assert (done.code, done.lines[0]["type"]) == (0, "receipt"), done
    no_secret_in(tmp_path / "store", (tmp_path / "right").read_text().splitlines()[3])


def test_a_user_who_is_not_root_needs_sudo(engine: Engine, machines: Machines) -> None:
    if not Path("/usr/bin/sudo").exists():
        pytest.skip("not installed: sudo (Debian: sudo)")
    users = {
        "etc/passwd": Path("/etc/passwd").read_text() + "ops:x:4711:4711::/tmp:/bin/sh\n",
        "etc/shadow": Path("/etc/shadow").read_text() + "ops:*:19000:0:99999:7:::\n",
        "etc/group": Path("/etc/group").read_text() + "ops:x:4711:\n",
        "etc/sudoers.d/ops": "ops ALL=(root) ALL\n",
    }
    machine = machines(files=users)
    said = asks(engine, user="ops", host_key=machine.fingerprint, name="db-9")
    assert "db-9.r1.test is joined" in said
    assert machine.keys[-1] == f"{engine.adapters.ssh_key.public} crowbar"


def test_a_user_who_may_not_become_root_changes_nothing(engine: Engine, machines: Machines) -> None:
    users = {
        "etc/passwd": Path("/etc/passwd").read_text() + "ops:x:4711:4711::/tmp:/bin/sh\n",
        "etc/shadow": Path("/etc/shadow").read_text() + "ops:*:19000:0:99999:7:::\n",
    }
    machine = machines(files=users)
    owner = machine.keys
    assert "ops at 10.0.0.200 cannot become root by sudo" in asks(engine, user="ops", host_key=machine.fingerprint)
    assert machine.keys == owner


def test_where_nobody_listens_the_answer_says_so(engine: Engine) -> None:
    assert "no SSH server answers at 10.0.0.200" in asks(engine)


def test_a_machine_that_does_not_let_root_in_by_key_keeps_nothing_of_the_engine(engine: Engine, machines: Machines) -> None:
    machine = machines(sshd="PubkeyAuthentication no\n")
    owner = machine.keys
    said = asks(engine, host_key=machine.fingerprint)
    assert "root has the engine's key at 10.0.0.200 and still cannot log in with it" in said
    assert machine.keys == owner


class Killed(BaseException):
    """The process ends here."""


def test_killed_between_the_key_and_the_commit_it_ends_well_at_the_next_try(engine: Engine, machines: Machines) -> None:
    machine = machines()
    owner = machine.keys
    wanted = DoJoin(address=ADDRESS, host_key=machine.fingerprint, password=PASSWORD)

    def adoption(ask: Callable[..., Accept | Refuse]) -> Adoption:
        return Adoption(lambda: engine.world, engine.adapters.ssh, engine.adapters.ssh_key, engine.config.reach, ask)

    refused = adoption(lambda _event, _timeout: Refuse(request=None, reason=no_plan())).join(wanted, "ann")
    assert isinstance(refused, Refuse)
    assert machine.keys == owner, "the engine refused the machine, and its key stayed"

    def dies(_event: object, _timeout: float) -> Accept | Refuse:
        raise Killed

    with pytest.raises(Killed):
        adoption(dies).join(wanted, "ann")
    assert len(machine.keys) == len(owner) + 1
    assert joined(engine) is None
    assert "is joined" in asks(engine, host_key=machine.fingerprint, password=None), "the engine's key is there, so it needs no other"
    assert len(machine.keys) == len(owner) + 1, "the key is there twice"
    assert PASSWORD not in repr(wanted)


def test_a_key_that_cannot_be_taken_away_again_is_named(engine: Engine, machines: Machines) -> None:
    machine = machines()

    def refuses(_event: object, _timeout: float) -> Refuse:
        machine.stop()
        return Refuse(request=None, reason=no_plan())

    adoption = Adoption(lambda: engine.world, engine.adapters.ssh, engine.adapters.ssh_key, engine.config.reach, refuses)
    done = adoption.join(DoJoin(address=ADDRESS, host_key=machine.fingerprint, password=PASSWORD), "ann")
    assert isinstance(done, Refuse)
    said = sentence(done.reason)
    assert sentence(no_plan()) in said
    assert f"the engine's key is still in root's authorized_keys at {ADDRESS}" in said


def test_an_engine_that_starts_again_goes_on_with_the_machine(make: Callable[..., Engine], engine: Engine, machines: Machines) -> None:
    machine = machines()
    assert "is joined" in asks(engine, host_key=machine.fingerprint)
    engine.stop()
    machine.reboot("boot-2")
    after = make()
    wait_until(lambda: (n := joined(after)) is not None and n.boot_id == "boot-2" and ready(after), lambda: str(joined(after)))
    assert machine.read("etc/motd")


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("\n", 1)], ids=["yes", "no"])
def test_in_a_terminal_it_shows_the_fingerprint_and_asks(engine: Engine, machines: Machines, tmp_path: Path, typed: str, code: int) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "mine")], check=True)
    machine = machines(files={"root/.ssh/authorized_keys": (tmp_path / "mine.pub").read_text()})
    near, far = pty.openpty()
    argv = command(engine.config.store, "node", "join", ADDRESS, "--key", str(tmp_path / "mine"))
    process = subprocess.Popen(argv, stdin=far, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    os.close(far)
    try:
        os.write(near, typed.encode())  # the terminal keeps it until the command asks
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        os.close(near)
    assert process.returncode == code, (out, err)
    assert f"{ADDRESS} shows the SSH host key {machine.fingerprint}" in out
    assert (joined(engine) is not None) == (code == 0)


def test_a_machine_whose_ssh_server_listens_on_another_port(engine: Engine, machines: Machines) -> None:
    machine = machines(port=2222)
    with Attached(engine.config.store) as attached:
        given = {"password": PASSWORD, "host_key": machine.fingerprint, "name": "old-db"}
        answers = [attached.join(where, **given) for where in (ADDRESS, f"{ADDRESS}:x", f"{ADDRESS}:2222")]
    said = [one.message if isinstance(one, Receipt) else sentence(one) for one in answers]
    assert "nothing listens" in said[0], said
    assert "a number from 1 to 65535" in said[1], said
    assert f"at {ADDRESS}:2222" in said[2], said
    wait_until(lambda: ready(engine), lambda: str(engine.world.node_roles))
