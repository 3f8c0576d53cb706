"""The serial console of a machine by IPMI: serial over LAN (IPMI 2.0 section 15, commands 24.1 to 24.4).

It only listens: nothing is ever sent to the machine. Each packet with text is acknowledged, or the BMC would send it again and then stop.

Why not pyghmi's Console: it needs pyghmi's shared session, thread and keep-alive (see `ipmi_session`). Here its owner's thread calls `read`
again and again. A BMC drops a session that is silent for a minute (6.12.15), so `read` asks now and then who has the console.
"""

from __future__ import annotations

import time
from contextlib import suppress

from . import SessionFailed
from .ipmi_session import IpmiSession

_APP, _ACTIVATE, _DEACTIVATE, _INSTANCE = 0x06, 0x48, 0x49, 0x4B
_SOL, _FIRST = 1, 1
_SEALED, _SIGNED = 0xC0, 0x40
"""Encrypted and authenticated; only authenticated (24.1)."""
_TAKEN, _OFF, _FULL, _NO_SEALED, _NOT_SIGNED = 0x80, 0x81, 0x82, 0x83, 0x84
_DEACTIVATED = 0x10
_ALIVE_S = 20.0
_COMMAND_S = 15.0
_WHY = {
    _TAKEN: "another session has the serial console",
    _OFF: "serial over LAN is disabled in the BMC",
    _FULL: "it has as many sessions of serial over LAN as it can",
}


class SolConsole:
    """Of one open session. One thread at a time. Every method raises `SessionFailed`, after which the console is over."""

    def __init__(self, session: IpmiSession, port: int, take: bool) -> None:
        """`take`: whoever has the console loses it."""
        self._session = session
        self._pieces: list[bytes] = []
        self._last, self._size = 0, 0
        """Number of the last packet, and how much text it had: a repeated one may have more."""
        self._over = ""
        session.sol_handler = self._take
        data = self._activated(take)
        told = int.from_bytes(data[8:10], "little") if len(data) >= 10 else port
        if told not in (port, int.from_bytes(port.to_bytes(2, "big"), "little"), 623):  # some BMCs swap the octets
            raise SessionFailed("unsupported", f"it sends its serial console over port {told}")
        self._asked = time.monotonic()
        session.gives_way = None  # others may log in beside it

    def _activated(self, take: bool) -> bytes:
        protected = _SEALED
        for _ in range(3):
            answer = self._session.raw_command(_APP, _ACTIVATE, data=[_SOL, _FIRST, protected, 0, 0, 0])
            code = answer["code"]
            if not code:
                return bytes(answer["data"])
            if code == _NO_SEALED and protected == _SEALED:
                protected = _SIGNED
            elif code == _TAKEN and take:
                self._session.raw_command(_APP, _DEACTIVATE, data=[_SOL, _FIRST, 0, 0, 0, 0])
            else:
                unknown = code in (0xC1, 0xC2, 0xCC)
                why = _WHY.get(code, f"it gives no serial console (code {code:02X}h)")
                raise SessionFailed("unsupported" if unknown else "refused", why)
        raise SessionFailed("refused", _WHY[_TAKEN])

    def read(self, wait_s: float) -> bytes:
        """What the machine has printed; empty if it prints nothing for so long."""
        session, until = self._session, time.monotonic() + wait_s
        while not self._pieces and not self._over:
            now = time.monotonic()
            if now - self._asked >= _ALIVE_S:
                self._ask_whose(now)
                continue
            if now >= until:
                break
            session.deadline = now + _COMMAND_S
            session.hear(min(until, self._asked + _ALIVE_S) - now)
        if self._over and not self._pieces:
            raise SessionFailed("refused", self._over)
        out = b"".join(self._pieces)
        self._pieces.clear()
        return out

    def close(self) -> None:
        """Gives the console back, and logs out."""
        session = self._session
        session.deadline = time.monotonic() + 1.0
        with suppress(SessionFailed, OSError):
            if not self._over:
                session.raw_command(_APP, _DEACTIVATE, data=[_SOL, _FIRST, 0, 0, 0, 0])
        session.logout()

    def _ask_whose(self, now: float) -> None:
        self._asked = now
        self._session.deadline = now + _COMMAND_S
        answer = self._session.raw_command(_APP, _INSTANCE, data=[_SOL, _FIRST])
        owner = int.from_bytes(bytes(answer["data"])[:4], "little")
        if not answer["code"] and owner not in (self._session.sessionid, 0):
            self._over = "another session took the serial console"
        elif not answer["code"] and not owner:
            self._over = "the BMC ended the serial console"

    def _take(self, payload: bytearray) -> None:
        """A packet (15.9): its number, acknowledged number, accepted characters, state, text."""
        if len(payload) < 4:
            return
        number, text = payload[0] & 0x0F, bytes(payload[4:])
        if payload[3] & _DEACTIVATED:
            self._over = "the BMC ended the serial console"
        if not number:
            return
        new = text[self._size :] if number == self._last else text
        self._last, self._size = number, len(text)
        if new:
            self._pieces.append(new)
        self._session.tell(bytearray((0, number, len(text) & 0xFF, 0)))
