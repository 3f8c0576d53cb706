"""Adopts installed machines (`crowbar node join`), and lets them go: the only place that logs in with what an operator gives.

    host key -> look -> may it be a node? -> plant the engine's key -> log in with that -> event Join

Rules
* Nothing is sent before the operator has confirmed the host key. From then on it is pinned.
* The machine is asked what it is, and the engine decides, before anything is changed there. What is changed afterwards is one line in
  root's authorized_keys. If the engine refuses the event after all, it takes that line away again.
* Killed in between, it leaves at most that line. The same command again ends as if nothing had happened.
* An operator's password or key lives in one request. It is in no event, log, file or argument list: sudo reads a password from standard
  input.
* Everything that the machine tells is a claim: typed, and bounded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from .. import reasons
from ..attach.protocol import DoJoin
from ..core.operator.join import bad_address, endpoint, why_not
from ..core.world.world import World
from ..effects import Accept, Refuse, RemoveKey
from ..events import Join
from ..jigs.node_tools import TOOLS
from ..jigs.ssh import SshDone, SshFailed, SshPool, SshTarget
from ..jigs.ssh_key import EngineKey, Password, SshKeyError, operators_key
from ..reasons import Reason
from ..wire.reach import Reach
from ..wire.ssh_fingerprint import fingerprint, is_fingerprint

log = logging.getLogger(__name__)

JOIN_S = 80.0
"""Seconds for a whole adoption."""
LET_GO_S = 20.0
LARGEST = 64 * 1024
"""Most characters of a password or private key."""
_SCRIPT = TOOLS / "joined"
_FILES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}
"""Type of a host key -> its part of the file's name; all others are ECDSA."""

Asks = Callable[[Join, float], Accept | Refuse]
Mac = Annotated[str, Meta(pattern="^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class Told(Struct, frozen=True, kw_only=True):
    """What `joined look` prints."""

    uuid: Annotated[str, Meta(max_length=64)] = ""
    serial: Annotated[str, Meta(max_length=200)] = ""
    macs: Annotated[tuple[Mac, ...], Meta(max_length=64)] = ()
    boot_id: Annotated[str, Meta(min_length=1, max_length=64)]
    arch: Annotated[str, Meta(max_length=32)] = ""
    system: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9.-]{0,79}$")]
    hostname: Annotated[str, Meta(max_length=200)] = ""


class Adoption:
    """Thread-safe; its methods block only their caller."""

    def __init__(self, world: Callable[[], World], ssh: SshPool, key: EngineKey, reach: Reach, ask: Asks) -> None:
        """`ask`: hands the event in and waits for the engine's answer."""
        self._world, self._ssh, self._key, self._reach, self._ask = world, ssh, key, reach, ask

    def join(self, wanted: DoJoin, who: str) -> Accept | Refuse:
        """A receipt, or a refusal with its reason. Takes JOIN_S at most."""
        where = endpoint(wanted.address)
        if isinstance(where, Reason):
            return Refuse(request=None, reason=where)
        wanted, port = msgspec.structs.replace(wanted, address=where[0]), where[1]
        barred = bad_address(self._world(), self._world().nodes.values(), wanted.address)
        pool = self._pool(wanted) if barred is None else barred
        if isinstance(pool, Reason):
            return Refuse(request=None, reason=pool)
        try:
            done = _Visit(self, wanted, port, pool).carry_out(who)
        finally:
            if pool is not self._ssh:
                pool.close_all()
        return done if isinstance(done, Accept) else Refuse(request=None, reason=done)

    def remove_key(self, effect: RemoveKey) -> Reason | None:
        """Takes the engine's key from a machine that it let go. Why it is still there; None: it is not."""
        host, port = self._reach(effect.address, effect.port)
        target = SshTarget(address=host, port=port, host_key=effect.host_key)
        done = self._ssh.run(effect.node, target, _argv("leave", self._key.public), timeout_s=LET_GO_S)
        self._ssh.close(effect.node)
        why = _why(done)
        return reasons.key_stays(name=effect.name, address=effect.address, message=why) if why else None

    def _pool(self, wanted: DoJoin) -> SshPool | Reason:
        """Logs in with what the operator gave, or with the engine's own key."""
        given = wanted.password if wanted.password is not None else wanted.private_key
        if given is None:
            return self._ssh
        if len(given) > LARGEST or not given or "\0" in given or (wanted.password is not None and "\n" in given):
            return self._unusable(wanted, "it is empty, too long, or has characters that no such credential has")
        if wanted.password is not None:
            return SshPool(Password(given))
        try:
            return SshPool(EngineKey(operators_key(given), "that key"))
        except SshKeyError as error:
            return self._unusable(wanted, str(error))

    def _unusable(self, wanted: DoJoin, why: str) -> Reason:
        return reasons.join_credential(user=wanted.user[:64], address=wanted.address, message=why)


class _Visit:
    """One adoption."""

    def __init__(self, of: Adoption, wanted: DoJoin, ssh_port: int, pool: SshPool) -> None:
        """`wanted` has the address without the port."""
        self._of, self._wanted, self._ssh_port, self._pool = of, wanted, ssh_port, pool
        self._host, self._port = of._reach(wanted.address, ssh_port)
        self._end = time.monotonic() + JOIN_S
        self._name = f"join-{wanted.address}"
        """Of the connection."""
        self._sudo: tuple[str, ...] = ()
        self._stdin = b""

    def carry_out(self, who: str) -> Accept | Reason:
        pinned = self._confirmed()
        if isinstance(pinned, Reason):
            return pinned
        target = SshTarget(address=self._host, port=self._port, user=self._wanted.user, host_key=pinned)
        refused = self._become_root(target)
        if refused is not None:
            return refused
        told = self._look(target)
        if isinstance(told, Reason):
            return told
        name, address = self._wanted.name[:64], self._wanted.address
        event = Join(who=who, name=name, address=address, port=self._ssh_port, host_key=pinned, **msgspec.structs.asdict(told))
        world = self._of._world()
        refused = why_not(world, world.nodes.values(), event)
        if refused is not None:
            return refused
        planted = self._run(target, "plant", self._of._key.public)
        if isinstance(planted, Reason):
            return planted
        answer = self._let_in(pinned, told.boot_id) or self._of._ask(event, 30.0)
        if isinstance(answer, Accept):
            return answer
        refused = answer if isinstance(answer, Reason) else answer.reason
        if planted != "planted":  # it was there before
            return refused
        # A visit that took all its time has to clear up all the same.
        self._end = max(self._end, time.monotonic() + LET_GO_S)
        stays = self._run(target, "leave", self._of._key.public)
        if isinstance(stays, Reason):
            return reasons.join_key_left(address=address, why=reasons.sentence(refused)[:400], message=str(stays.fields["message"]))
        return refused

    def _left(self) -> float:
        return max(1.0, self._end - time.monotonic())

    def _confirmed(self) -> str | Reason:
        """The host key that the machine shows, if it is the one that the operator confirmed."""
        address, given = self._wanted.address, self._wanted.host_key.strip()
        if given and not is_fingerprint(given):
            try:
                fingerprint(given)
            except ValueError:
                return reasons.bad_value(what="the host key", expected="SHA256:... or a line `ssh-ed25519 AAAA...`", value=given[:64])
        seen = self._pool.run(
            self._name, SshTarget(address=self._host, port=self._port, user=self._wanted.user), ["true"], timeout_s=self._left()
        )
        key = seen.host_key
        if not key:
            return reasons.join_silent(address=address, message=seen.message if isinstance(seen, SshFailed) else "it shows no host key")
        shown = fingerprint(key)
        if not given:
            file = f"/etc/ssh/ssh_host_{_FILES.get(key.split()[0], 'ecdsa')}_key.pub"
            return reasons.join_host_key(address=address, fingerprint=shown, file=file)
        if given != shown and given.split()[:2] != key.split()[:2]:
            return reasons.join_other_key(address=address, fingerprint=shown)
        return key

    def _become_root(self, target: SshTarget) -> Reason | None:
        """How the user becomes root: not at all if it is root, by sudo without a password, or with the password that was given."""
        user = self._wanted.user
        free = self._pool.run(self._name, target, ["sh", "-c", 'test "$(id -u)" = 0 || sudo -n true'], timeout_s=self._left())
        if isinstance(free, SshFailed):
            return reasons.join_login(user=user[:64], address=self._wanted.address, message=free.message)
        if free.exit == 0:
            self._sudo = () if user == "root" else ("sudo", "-n")
            return None
        if self._wanted.password is None or user == "root":
            return reasons.join_not_root(user=user[:64], address=self._wanted.address, message=_said(free))
        # The script is an argument, not the input: a sudo that needs no password after all leaves the input unread.
        self._sudo, self._stdin = ("sudo", "-S", "-p", ""), self._wanted.password.encode() + b"\n"
        tried = self._pool.run(self._name, target, [*self._sudo, "true"], self._stdin, timeout_s=self._left())
        why = _why(tried)
        return reasons.join_not_root(user=user[:64], address=self._wanted.address, message=why) if why else None

    def _look(self, target: SshTarget) -> Told | Reason:
        out = self._run(target, "look")
        if isinstance(out, Reason):
            return out
        try:
            return msgspec.json.decode(out, type=Told)
        except msgspec.MsgspecError as error:
            return reasons.join_failed(address=self._wanted.address, message=f"what it tells of itself is not usable: {error}"[:200])

    def _let_in(self, pinned: str, boot_id: str) -> Reason | None:
        """The engine's own key must open the door, as root, and behind it must be the same machine."""
        target = SshTarget(address=self._host, port=self._port, host_key=pinned)
        done = self._of._ssh.run(self._name, target, ["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=self._left(), stdout_bytes=256)
        self._of._ssh.close(self._name)
        why = _why(done)
        if not why and isinstance(done, SshDone) and done.stdout.decode("ascii", "replace").strip() != boot_id:
            why = "it runs another boot than a moment ago"
        return reasons.join_key_refused(address=self._wanted.address, message=why) if why else None

    def _run(self, target: SshTarget, *words: str) -> str | Reason:
        """What the script printed."""
        done = self._pool.run(self._name, target, [*self._sudo, *_argv(*words)], self._stdin, timeout_s=self._left(), stdout_bytes=LARGEST)
        why = _why(done)
        if why or isinstance(done, SshFailed):
            return reasons.join_failed(address=self._wanted.address, message=why)
        return done.stdout.decode("utf-8", "replace").strip()


def _argv(*words: str) -> list[str]:
    return ["sh", "-c", Path(_SCRIPT).read_text(encoding="utf-8"), "joined", *words]


def _why(done: SshDone | SshFailed) -> str:
    """Why a command did not end well. Empty: it did."""
    if isinstance(done, SshFailed):
        return done.message
    return "" if done.exit == 0 else _said(done)


def _said(done: SshDone) -> str:
    """The last line of its complaint, in plain characters."""
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].removeprefix("joined: ")
    return "".join(c if c.isprintable() else "?" for c in last)[:200] or f"exit code {done.exit}"
