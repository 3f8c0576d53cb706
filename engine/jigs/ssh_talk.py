"""Input and output of one SSH command, moved without a thread of its own.

Standard input, output and errors share one channel, each with its own window. If a command fills one window while the other side waits
on another, both would stop. So this never waits for one of them alone. The caller calls `turn` until `over`.
"""

from __future__ import annotations

import select
from collections.abc import Callable

import paramiko

STDERR_BYTES = 64 * 1024
_PIECE = 32768


class Talk:
    """Input and output of one command. None of them may wait for another."""

    def __init__(self, channel: paramiko.Channel, stdin: bytes, stdout_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.cut = False
        self.over = False
        self._channel = channel
        self._stdin = stdin
        self._sent = 0
        self._sending = True
        self._stdout_bytes = stdout_bytes
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        channel.setblocking(0)

    def turn(self, left_s: float) -> None:
        """Moves what can be moved, or waits a second at most."""
        channel = self._channel
        # Checked first: what arrived before the end is in the buffers by now.
        ended = channel.closed or (channel.eof_received and channel.exit_status != -1)
        moved = self._send() if self._sending else False
        moved |= self._take(channel.recv_ready, channel.recv, self.stdout, self._stdout_bytes)
        moved |= self._take(channel.recv_stderr_ready, channel.recv_stderr, self.stderr, STDERR_BYTES)
        if moved:
            return
        if ended:
            self.over = True
        elif self._sending:
            # The opening of the window wakes only writers that block.
            self._poll.poll(5)
        elif channel.eof_received:
            channel.status_event.wait(min(left_s, 1.0))
        else:
            self._poll.poll(min(left_s, 1.0) * 1000)

    def _send(self) -> bool:
        before = self._sent
        try:
            while self._sent < len(self._stdin) and self._channel.send_ready():
                taken = self._channel.send(self._stdin[self._sent : self._sent + _PIECE])
                if taken == 0:
                    break
                self._sent += taken
            if self._sent == len(self._stdin):
                self._channel.shutdown_write()
                self._sending = False
                return True
        except TimeoutError:
            return self._sent > before
        except (OSError, EOFError):
            # Either the command closed its input, which it may, and its exit code tells the result; or the connection is gone (paramiko
            # raises EOFError if the socket is closed under a message), and the missing exit code tells.
            self._sending = False
            return True
        if self._channel.closed:
            self._sending = False
        return self._sent > before

    def _take(self, ready: Callable[[], bool], read: Callable[[int], bytes], into: bytearray, limit: int) -> bool:
        took = False
        while ready():
            data = read(65536)
            if not data:
                break
            took = True
            room = limit - len(into)
            self.cut |= len(data) > room
            into += data[: max(0, room)]
        return took
