"""Sends parts of files to clients, in a separate process: `python -I sender_process.py`, started by `senders`.

Its standard input is a Unix socket of records (SOCK_SEQPACKET), as ORDER and REPORT say:

    SEND, id, first, count   with two descriptors: the client's connection and the file
    CUT, id, 0, 0            this sending is not wanted any more
    <- ENDED, id, octets     all that were sent; fewer than asked for: the client went away, read too slowly, or the file ended
    <- SENT, 0, octets       so many more since the last SENT

It decides nothing and opens nothing: who may have which file was decided before, and what it may touch are the descriptors that it was
handed. It ends when the other end of its standard input does. Only the standard library is imported, so it starts in some 20 ms.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import struct
import time

ORDER = struct.Struct("!BQQQ")
REPORT = struct.Struct("!BQQ")
SEND, CUT = 1, 2
ENDED, SENT = 1, 2

PIECE = 2 * 1024 * 1024
PIECE_S = 60.0
"""A client that reads slower than PIECE in PIECE_S seconds is cut off."""
SAY_S = 0.5
"""Seconds between two SENT."""
WAITING = (BlockingIOError, InterruptedError)


class Sending:
    """One part of a file on its way. Both descriptors are its own."""

    __slots__ = ("asked", "at", "client", "due", "end", "file", "first", "number", "piece_s")

    def __init__(self, number: int, client: int, file: int, first: int, count: int, piece_s: float) -> None:
        self.number, self.client, self.file = number, client, file
        self.first = self.at = first
        self.end = first + count
        self.asked = min(self.at + PIECE, self.end)
        """Where the piece ends that must be sent by `due`."""
        self.piece_s = piece_s
        self.due = time.monotonic() + piece_s

    def go_on(self) -> bool:
        """Sends what the connection takes now. False: it is over, well or not."""
        try:
            sent = os.sendfile(self.client, self.file, self.at, min(PIECE, self.end - self.at))
        except WAITING:
            return True
        except OSError:  # the client is gone, or the disk failed: what was sent says so
            return False
        self.at += sent
        if self.at >= self.asked:
            self.asked = min(self.at + PIECE, self.end)
            self.due = time.monotonic() + self.piece_s
        return bool(sent) and self.at < self.end


class SenderProcess:
    """Serves until the other end of `orders` is closed."""

    def __init__(self, orders: socket.socket, piece_s: float = PIECE_S) -> None:
        self._orders, self._piece_s = orders, piece_s
        self._poll = select.epoll()
        self._by_client: dict[int, Sending] = {}
        self._by_number: dict[int, Sending] = {}
        self._unsaid = 0
        self._said_at = 0.0

    def serve(self) -> None:
        self._poll.register(self._orders, select.EPOLLIN)
        while True:
            for descriptor, _ in self._poll.poll(SAY_S if self._by_client else -1):
                if descriptor != self._orders.fileno():
                    self._send_on(self._by_client.get(descriptor))
                elif not self._ordered():
                    return
            self._look_at_the_clock()

    def _ordered(self) -> bool:
        """One order. False: nobody gives orders any more."""
        data, handed, _, _ = socket.recv_fds(self._orders, ORDER.size, 2)
        if not data:
            return False
        what, number, first, count = ORDER.unpack(data)
        if what == CUT:
            self._end(self._by_number.get(number))
            return True
        if len(handed) < 2:  # there are no descriptors left here, and the kernel dropped them
            for descriptor in handed:
                os.close(descriptor)
            self._orders.send(REPORT.pack(ENDED, number, 0))
            return True
        client, file = handed
        sending = self._by_client[client] = self._by_number[number] = Sending(number, client, file, first, count, self._piece_s)
        self._poll.register(client, select.EPOLLOUT)
        self._send_on(sending)
        return True

    def _send_on(self, sending: Sending | None) -> None:
        if sending is None:  # ended by an order of this same round
            return
        before = sending.at
        goes_on = sending.go_on()
        self._unsaid += sending.at - before
        if not goes_on:
            self._end(sending)

    def _end(self, sending: Sending | None) -> None:
        if sending is None:  # an order to cut that crossed the report of the end
            return
        del self._by_client[sending.client], self._by_number[sending.number]
        self._poll.unregister(sending.client)
        os.close(sending.client)
        os.close(sending.file)
        self._say_sent()
        self._orders.send(REPORT.pack(ENDED, sending.number, sending.at - sending.first))

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if now - self._said_at < SAY_S:
            return
        self._said_at = now
        self._say_sent()
        for sending in [one for one in self._by_client.values() if one.due < now]:
            self._end(sending)

    def _say_sent(self) -> None:
        if self._unsaid:
            self._orders.send(REPORT.pack(SENT, 0, self._unsaid))
            self._unsaid = 0


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # It writes to sockets only.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        SenderProcess(socket.socket(fileno=0)).serve()
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        # Ctrl-C at a console reaches all its processes; a killed engine takes no more reports.
        return


if __name__ == "__main__":
    main()
