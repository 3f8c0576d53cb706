"""Limits calls to a BMC: one call at a time, so many per second, and a growing pause after refused logins.

Why: BMCs are small. Two sessions at once confuse some of them, and a burst of logins makes others drop packets. Most lock an account
after three to five bad passwords, for all users of that account.

Rules
* A gate belongs to an address and port, for every caller and every account.
* After the n-th refused login in a row the next one is allowed `first_s * 2**(n-1)` later, at most `longest_s`. Until then a call fails
  at once with `retry_in_s`. A good login resets the count.
* Another account or password may be tried at once (an operator corrected it), but only while fewer than `free_tries` logins in a row
  were refused. After that every account waits, so that nobody can guess through this gate.
* Of a credential only a keyed hash is kept, to notice that it changed.
* A call that `yields` never waits: it begins only at an idle gate, and leaves the last calls of the limit to orders. `Turn.wanted` says
  that somebody waits for the gate, so that it ends early.
* The table is bounded: the gate unused for longest is dropped, one without refusals first.

Time comes from `now` and `sleep`. The caller's `patience_s` limits the wait for a turn, in real time.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from . import PowerFailed

_SPARE = 2.0
"""Calls of the limit that a call that yields leaves to others."""


class Limits(Struct, frozen=True, kw_only=True, gc=False):
    burst: int = 8
    """Calls that may follow each other without a pause."""
    per_s: float = 2.0
    """Calls per second after that."""
    first_s: float = 60.0
    longest_s: float = 1800.0
    free_tries: int = 3
    gates: int = 8192


class Gate:
    """The gate of one BMC. `lock` is held for a whole call; only its holder touches the other fields."""

    __slots__ = ("credential", "failures", "lock", "tokens", "tokens_at", "until", "used", "waiting")

    def __init__(self, now: float, burst: int) -> None:
        self.lock = threading.Lock()
        self.tokens = float(burst)
        self.tokens_at = now
        self.failures = 0
        self.until = 0.0
        self.credential = b""
        self.used = now
        self.waiting = 0
        """Callers that wait for their turn. Changed under the lock of the table."""


class Turn:
    """Of one call that yields: whether somebody waits for its gate."""

    __slots__ = ("gate",)

    def __init__(self) -> None:
        self.gate: Gate | None = None

    def wanted(self) -> bool:
        return self.gate is not None and self.gate.waiting > 0


class Gates:
    """All gates of an engine."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may`: asked last before each call; False: this engine no longer decides, so nothing is called."""
        self.limits = limits or Limits()
        self._may = may
        self._now = now
        self._sleep = sleep
        self._gates: dict[tuple[str, int], Gate] = {}
        self._lock = threading.Lock()
        self._key = os.urandom(16)

    @property
    def size(self) -> int:
        """Number of kept gates. No `__len__`: an empty table would be false, and `gates or Gates()` would make two tables."""
        return len(self._gates)

    @contextmanager
    def enter(
        self, address: str, port: int, credential: bytes, patience_s: float, turn: Turn | None = None
    ) -> Iterator[Gate | PowerFailed]:
        """Yields the gate, held, or why not. `credential` is any value that differs when the account does. `turn`: the call yields."""
        gate = self._gate((address, port))
        if turn is not None:
            taken = not gate.waiting and gate.lock.acquire(blocking=False)
            patience_s = 0.0
        else:
            taken = self._waited(gate, patience_s)
        if not taken:
            told = "another call has this BMC" if turn is not None else f"another call has had this BMC for {patience_s:g} s"
            yield PowerFailed(kind="timeout", message=told)
            return
        if turn is not None:
            turn.gate = gate
        try:
            failed = self._turn(gate, credential, patience_s, spare=_SPARE if turn is not None else 0.0)
            if failed is None and not self._may():
                failed = PowerFailed(kind="timeout", message="this engine no longer decides, so it calls no BMC")
            yield failed or gate
        finally:
            gate.used = self._now()
            gate.lock.release()

    def _waited(self, gate: Gate, patience_s: float) -> bool:
        if gate.lock.acquire(blocking=False):
            return True
        with self._lock:
            gate.waiting += 1
        try:
            return gate.lock.acquire(timeout=max(0.0, patience_s))
        finally:
            with self._lock:
                gate.waiting -= 1

    def refused(self, gate: Gate) -> float:
        """A login was refused. Returns the pause in seconds. The gate must be held."""
        gate.failures += 1
        pause = min(self.limits.longest_s, self.limits.first_s * 2.0 ** min(gate.failures - 1, 30))
        gate.until = self._now() + pause
        return pause

    def accepted(self, gate: Gate) -> None:
        """A login was good. The gate must be held."""
        gate.failures = 0
        gate.until = 0.0

    def _turn(self, gate: Gate, credential: bytes, patience_s: float, spare: float = 0.0) -> PowerFailed | None:
        now = self._now()
        mark = hashlib.blake2b(credential, key=self._key, digest_size=16).digest()
        known, gate.credential = gate.credential == mark, mark
        if gate.failures and now < gate.until and (known or gate.failures >= self.limits.free_tries):
            left = gate.until - now
            return PowerFailed(
                kind="authentication",
                message=f"login refused {gate.failures} times; next try in {left:.0f} s, lest the account is locked",
                retry_in_s=left,
            )
        limits = self.limits
        gate.tokens = min(float(limits.burst), gate.tokens + (now - gate.tokens_at) * limits.per_s)
        gate.tokens_at = now
        if gate.tokens < 1.0 + spare:
            wait = (1.0 + spare - gate.tokens) / limits.per_s
            if wait > patience_s:
                return PowerFailed(kind="timeout", message="too many calls to this BMC", retry_in_s=wait)
            self._sleep(wait)
            gate.tokens, gate.tokens_at = 1.0, self._now()
        gate.tokens -= 1.0
        return None

    def _gate(self, key: tuple[str, int]) -> Gate:
        with self._lock:
            gate = self._gates.get(key)
            if gate is None:
                if len(self._gates) >= self.limits.gates:
                    self._forget_one()
                gate = self._gates[key] = Gate(self._now(), self.limits.burst)
            return gate

    def _forget_one(self) -> None:
        idle = [(gate.failures > 0, gate.used, key) for key, gate in self._gates.items() if not gate.lock.locked()]
        if idle:
            del self._gates[min(idle)[2]]
