"""Input and output of one SSH command where the connection goes away under it."""

from __future__ import annotations

import os

import pytest

from engine.jigs.ssh_talk import Talk


class Gone:
    """A channel whose connection ends as the end of the input is told, as paramiko reports it."""

    closed = False
    eof_received = False
    exit_status = -1

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.reader, self.writer = os.pipe()

    def fileno(self) -> int:
        return self.reader

    def setblocking(self, blocking: int) -> None:
        assert not blocking

    def recv_ready(self) -> bool:
        return False

    recv_stderr_ready = recv_ready

    def recv(self, many: int) -> bytes:
        raise AssertionError("nothing is there")

    recv_stderr = recv

    def shutdown_write(self) -> None:
        self.closed = True
        raise self.error


@pytest.mark.parametrize("error", [EOFError(), OSError("Socket is closed"), ConnectionResetError()])
def test_a_connection_that_goes_as_the_input_ends_is_no_defect(error: Exception) -> None:
    channel = Gone(error)
    try:
        talk = Talk(channel, b"", 100)  # type: ignore[arg-type]
        for _ in range(3):
            talk.turn(1.0)
        assert talk.over
        assert channel.exit_status == -1, "which the pool tells as dropped"
    finally:
        os.close(channel.reader)
        os.close(channel.writer)
