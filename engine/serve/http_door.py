"""Who gets a connection to the HTTP service. It counts connections from the moment they are accepted, so a handshake of TLS that never ends
counts too.

Rules
* A peer may have so many connections, and there may be so many in all (`Limits`).
* Strangers share a quarter of the places. With machines that were only seen they share three quarters. So nodes always find a place.
  A connection with a valid token is a node's, wherever it comes from.
* Where there is no place, one is made. Who stands lower than the newcomer loses a connection first. Among equals, it is a peer that has
  at least as many as the newcomer would have, or more if none of them is idle. The peer with the most loses its oldest one, idle ones
  first. So many connections of few peers never shut out one connection of another.

Trap: asyncio gives a connection of TLS to its protocol only after the handshake. So the door is in the listening socket: `accept` is the
first to see a connection, and `close` the last.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ..wire.recording import Recorder
from .standing import Standing, Standings


class Guest:
    """A connection."""

    __slots__ = ("idle", "peer", "since", "sock", "standing")

    def __init__(self, sock: socket.socket, peer: str, standing: Standing, since: float) -> None:
        self.sock = sock
        self.peer = peer
        self.standing = standing
        self.since = since
        """When it became idle, or came."""
        self.idle = True


class Door:
    """All calls in the loop of the HTTP service, once it is open."""

    def __init__(
        self,
        standings: Standings,
        record: Recorder,
        counters: Counter[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._standings, self._record, self._counters, self._clock = standings, record, counters, clock
        self._per_peer = 0
        self._places: dict[Standing, int] = {}
        self._peers: dict[str, dict[Guest, None]] = {}
        """In the order in which they became idle, or came."""
        self._taken: Counter[Standing] = Counter()
        self._by_descriptor: dict[int, Guest] = {}

    def open_for(self, connections: int, per_peer: int) -> None:
        """So many connections in all, and so many of one address."""
        self._per_peer = per_peer
        self._places = {
            Standing.STRANGER: max(connections // 4, 1),
            Standing.SEEN: max(connections * 3 // 4, 1),
            Standing.KNOWN: connections,
        }

    @property
    def open(self) -> int:
        return sum(self._taken.values())

    def enters(self, sock: socket.socket, peer: str) -> bool:
        """A connection was accepted. False: there is no place for it."""
        standing = self._standings.of_address(peer)
        if len(self._peers.get(peer, ())) >= self._per_peer:
            self._refuse("too_many_of_a_peer", peer, standing)
            return False
        for least, places in self._places.items():
            if standing <= least and self._count(least) >= places and not self._make_room(least, peer, standing):
                self._refuse("too_many_connections", peer, standing)
                return False
        guest = Guest(sock, peer, standing, self._clock())
        self._peers.setdefault(peer, {})[guest] = None
        self._taken[standing] += 1
        self._by_descriptor[sock.fileno()] = guest
        return True

    def leaves(self, descriptor: int) -> None:
        guest = self._by_descriptor.pop(descriptor, None)
        if guest is not None:
            self._forget(guest)

    # -- what the connection does ------------------------------------------------------------------------------------

    def guest(self, descriptor: int) -> Guest | None:
        """The connection that has this descriptor now. Later another one may have the number, so the guest is kept and not the number."""
        return self._by_descriptor.get(descriptor)

    def busy(self, guest: Guest) -> None:
        """A request of it is worked on."""
        guest.idle = False

    def idle(self, guest: Guest) -> None:
        """It waits for its next request."""
        if guest in (mine := self._peers.get(guest.peer, {})):
            guest.idle, guest.since = True, self._clock()
            del mine[guest]
            mine[guest] = None

    def known(self, guest: Guest) -> None:
        """It showed a valid token."""
        if guest.standing is not Standing.KNOWN and guest in self._peers.get(guest.peer, {}):
            self._taken[guest.standing] -= 1
            self._taken[Standing.KNOWN] += 1
            guest.standing = Standing.KNOWN

    # -- places --------------------------------------------------------------------------------------------------------

    def _count(self, most: Standing) -> int:
        return sum(many for standing, many in self._taken.items() if standing <= most)

    def _make_room(self, most: Standing, newcomer: str, stands: Standing) -> bool:
        """Among the places that all up to `most` share."""
        theirs = len(self._peers.get(newcomer, ())) + 1
        for standing in Standing:
            if standing > min(most, stands) or not self._taken[standing]:
                continue
            above = 0 if standing < stands else theirs
            loser = self._loser(standing, newcomer, True, max(above - 1, 0)) or self._loser(standing, newcomer, False, above)
            if loser is not None:
                self._cut(loser)
                return True
        return False

    def _loser(self, standing: Standing, newcomer: str, idle: bool, above: int) -> Guest | None:
        """The oldest connection, idle if that is asked for, of the other peer with the most, if it has more than `above`."""
        best, found = above, None
        for peer, guests in self._peers.items():
            if peer != newcomer and len(guests) > best and (one := _first(guests, standing, idle)) is not None:
                best, found = len(guests), one
        return found

    def _cut(self, guest: Guest) -> None:
        """Its descriptor is closed by the loop, in its next round."""
        self._forget(guest)
        self._counters["cut_for_another"] += 1
        self._record.flood("connections", guest.peer, self._record.of(guest.peer))
        with suppress(OSError):
            guest.sock.shutdown(socket.SHUT_RDWR)

    def _forget(self, guest: Guest) -> None:
        mine = self._peers.get(guest.peer)
        if mine is None or guest not in mine:
            return
        del mine[guest]
        self._taken[guest.standing] -= 1
        if not mine:
            del self._peers[guest.peer]

    def _refuse(self, code: str, peer: str, standing: Standing) -> None:
        self._counters[code] += 1
        if standing is not Standing.KNOWN:
            self._record.flood("connections", peer, self._record.of(peer))


def _first(guests: Iterable[Guest], standing: Standing, idle: bool) -> Guest | None:
    return next((one for one in guests if one.standing is standing and (one.idle or not idle)), None)


class Listener(socket.socket):
    """A listening socket with a door."""

    door: Door | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        while True:
            plain, address = super().accept()
            sock = _Connection(plain.family, plain.type, plain.proto, plain.detach())
            if self.door is None or self.door.enters(sock, str(address[0])):
                sock.door = self.door
                return sock, address
            sock.close()


class _Connection(socket.socket):
    door: Door | None = None

    def close(self) -> None:
        if self.door is not None:
            self.door.leaves(self.fileno())
            self.door = None
        super().close()
