"""What the engine knows of who asks, so that the services can be fair: strangers share a bounded part, and never delay a known machine.

A MAC and an address can be spoofed, so a standing opens no door. It only decides who gets a place in a crowd.
"""

from __future__ import annotations

import enum
from typing import Protocol


class Standing(enum.IntEnum):
    STRANGER = 0
    """Nothing is known of it."""
    SEEN = 1
    """A machine that is no node, and that the engine has offered or given an address."""
    KNOWN = 2
    """A node, or a machine that the plan names."""


class Standings(Protocol):
    """Called in the services' threads, for each packet: it must be quick and never raise."""

    def of_mac(self, mac: str) -> Standing: ...
    def of_address(self, peer: str) -> Standing:
        """Of a peer's host."""


class AllKnown:
    """Where nobody is a stranger."""

    def of_mac(self, mac: str) -> Standing:  # noqa: ARG002
        return Standing.KNOWN

    def of_address(self, peer: str) -> Standing:  # noqa: ARG002
        return Standing.KNOWN


ALL_KNOWN = AllKnown()
