"""Who waits for an answer of the engine, and under which number.

A request travels with the event and comes back with the answer. It means nothing after a restart, when the client asks again. How the
journal writes it is the store's affair (`store.news`).
"""

from __future__ import annotations

import enum

from msgspec import Struct


class Asker(enum.Enum):
    """Where the answer goes."""

    OPERATOR = "operator"
    """A person, by the command line, the console or the attach socket."""
    HTTP = "http"
    """A loader or an agent, by a call of the HTTP service."""
    TFTP = "tftp"
    """A loader that reads its boot script by TFTP."""


class Request(Struct, frozen=True, gc=False):
    """Numbers are given out by whoever brings the answers back, each asker its own."""

    asker: Asker
    number: int
