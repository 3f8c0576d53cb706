"""A recorder of packets for tests."""

from __future__ import annotations

import socket


class Noted:
    """A recorder that writes down what it is told."""

    def __init__(self) -> None:
        self.heard_: list[tuple[str, bytes, bytes]] = []
        self.sent_: list[tuple[str, bytes, tuple[str, int], bytes]] = []
        self.faults: list[tuple[str, bytes, str, int]] = []
        self.causes: list[tuple[bytes, str]] = []
        self.floods: list[tuple[str, str, bytes, str]] = []

    def received(self, kind: str, who: bytes, source: tuple[str, int], here: tuple[str, int], data: bytes) -> None:
        self.heard_.append((kind, who, data))

    def sent(self, kind: str, who: bytes, here: tuple[str, int], to: tuple[str, int], data: bytes) -> None:
        self.sent_.append((kind, who, to, data))

    def cause(self, kind: str, who: bytes, text: str) -> None:
        self.causes.append((who, text))

    def lost(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        self.faults.append(("lost", who, code, option))

    def odd(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        self.faults.append(("odd", who, code, option))

    def flood(self, what: str, source: str, who: bytes, port: str = "") -> None:
        self.floods.append((what, source, who, port))

    def of(self, address: str) -> bytes:
        return socket.inet_aton(address)
