"""The bus between a QEMU machine and its BMC: OpenIPMI's VM protocol, which `ipmi-bmc-extern` speaks (OpenIPMI lanserv/README.vm). Pure.

A frame to the BMC is `sequence, netfn << 2 | lun, command, data..., checksum`, ended by A0h. A frame back has the completion code after
the command. The bytes of a frame sum to zero. A1h ends commands to the machine's hardware, which have at most two bytes. A0h, A1h and
AAh within a frame are sent as AAh and the byte with bit 4 set.
"""

from __future__ import annotations

from collections.abc import Callable

MESSAGE, COMMAND, ESCAPE = 0xA0, 0xA1, 0xAA
VERSION = bytes((0xFF, 1))
CAPABILITIES = bytes((0x08, 0x1F))  # power off, reset, IRQ, NMI, attention: all that the machine can do for us
LONGEST = 256

Execute = Callable[[int, int, bytes], tuple[int, bytes]]
"""(network function, command, data) -> completion code and data"""


class Bus:
    """One connection: octets in, octets out."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._frame = bytearray()
        self._escaped = self._broken = False
        self.malformed = 0

    def hello(self) -> bytes:
        """What the BMC says first."""
        return framed(VERSION, COMMAND)

    def feed(self, octets: bytes) -> bytes:
        """Answers to the frames that are whole now."""
        out = b""
        for octet in octets:
            if octet in (MESSAGE, COMMAND):
                frame, broken = bytes(self._frame), self._broken or self._escaped
                self._frame.clear()
                self._broken = self._escaped = False
                if octet == MESSAGE:
                    out += self._answer(frame, broken)
            elif octet == ESCAPE:
                self._escaped = True
            else:
                self._frame.append(octet & ~0x10 if self._escaped else octet)
                self._escaped = False
                if len(self._frame) > LONGEST:
                    self._frame.clear()
                    self._broken = True
        return out

    def _answer(self, frame: bytes, broken: bool) -> bytes:
        if broken or len(frame) < 4 or sum(frame) & 0xFF:
            self.malformed += 1
            return b""
        sequence, function, command = frame[0], frame[1], frame[2]
        code, data = self._execute(function >> 2, command, frame[3:-1])
        body = bytes((sequence, function | 4, command, code)) + data
        return framed(body + bytes((-sum(body) & 0xFF,)), MESSAGE)


def framed(body: bytes, end: int) -> bytes:
    """Escaped and ended."""
    out = bytearray()
    for octet in body:
        out += bytes((ESCAPE, octet | 0x10)) if octet in (MESSAGE, COMMAND, ESCAPE) else bytes((octet,))
    return bytes(out) + bytes((end,))
