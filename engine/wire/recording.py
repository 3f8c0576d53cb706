"""The interface by which the services record packets. People use the records to see why a machine does not boot (`engine.packets`).

A call must cost next to nothing: it keeps a reference to existing bytes. Nothing is decoded here.
"""

from __future__ import annotations

from typing import Protocol

Address = tuple[str, int]


class Recorder(Protocol):
    """`kind` is `dhcp`, `tftp`, `http` or `lldp`; `who` is a MAC of six octets, or an IPv4 address of four where no MAC is known."""

    def received(self, kind: str, who: bytes, source: Address, here: Address, data: bytes) -> None: ...
    def sent(self, kind: str, who: bytes, here: Address, to: Address, data: bytes) -> None: ...

    def cause(self, kind: str, who: bytes, text: str) -> None:
        """Why its last received packet got no answer, or not the answer that it wanted."""

    def lost(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        """Its last received packet is dropped. `code`: one of `engine.wire.faults`."""

    def odd(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        """A field of its last received packet counted as absent. The rest was answered."""

    def flood(self, what: str, source: str, who: bytes, port: str = "") -> None:
        """Something of `who` was dropped because its source sends too much. `what`: `DHCP packets`, `connections` and so on."""

    def of(self, address: str) -> bytes:
        """The machine behind an IPv4 address, as `who`."""


class NoRecorder:
    """Keeps nothing."""

    def received(self, kind: str, who: bytes, source: Address, here: Address, data: bytes) -> None:
        """See Recorder."""

    def sent(self, kind: str, who: bytes, here: Address, to: Address, data: bytes) -> None:
        """See Recorder."""

    def cause(self, kind: str, who: bytes, text: str) -> None:
        """See Recorder."""

    def lost(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        """See Recorder."""

    def odd(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        """See Recorder."""

    def flood(self, what: str, source: str, who: bytes, port: str = "") -> None:
        """See Recorder."""

    def of(self, address: str) -> bytes:  # noqa: ARG002
        return b""


NOBODY = NoRecorder()
