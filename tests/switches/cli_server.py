"""An SSH server with the command line of a switch, for real clients. The switch behind it is an object that takes lines and holds state."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import paramiko


class Cli(Protocol):
    """A command line. One session at a time."""

    greeting: str

    def prompt(self) -> str: ...

    def line(self, text: str) -> str:
        """What a line answers. It may change the state."""

    def begin(self) -> None:
        """A new session."""


class _Gate(paramiko.ServerInterface):
    def __init__(self, user: str, password: str) -> None:
        self._account = (user, password)

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if (username, password) == self._account else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, *_: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return True


class CliServer:
    """On 127.0.0.1, at `port`. `lines` are all that were typed."""

    def __init__(self, cli: Cli, user: str = "admin", password: str = "s3cr3t-Pw") -> None:
        self.cli, self._user, self._password = cli, user, password
        self.lines: list[str] = []
        self.fault: Callable[[str], str] = lambda _line: ""
        """Called with each line: `cut` ends the session, any other text is answered in place of the switch's answer. Empty: nothing."""
        self._key = paramiko.ECDSAKey.generate()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._transports: list[paramiko.Transport] = []
        self._threads[0].start()

    def new_key(self) -> None:
        self._key = paramiko.ECDSAKey.generate()

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for transport in self._transports:
            transport.close()
        for thread in self._threads:
            thread.join(60)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        transport = paramiko.Transport(peer)
        self._transports.append(transport)
        transport.add_server_key(self._key)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Gate(self._user, self._password))
            channel = None
            while channel is None and transport.is_active() and not self._closed.is_set():
                channel = transport.accept(0.1)  # does not end by itself when the client is gone
            if channel is not None:
                self._talk(channel)
        transport.close()

    def _talk(self, channel: paramiko.Channel) -> None:
        self.cli.begin()
        channel.sendall((self.cli.greeting + self.cli.prompt()).encode())
        typed = ""
        while not self._closed.is_set():
            octets = channel.recv(4096)
            if not octets:
                return
            for letter in octets.decode():
                if letter not in "\r\n":
                    typed += letter
                    continue
                text, typed = typed, ""
                channel.sendall(f"{text}\r\n".encode())
                if text.strip():
                    self.lines.append(text.strip())
                odd = self.fault(text.strip())
                if odd == "cut":
                    channel.close()
                    return
                said = odd or (self.cli.line(text.strip()) if text.strip() else "")
                shown = said.replace("\n", "\r\n")
                channel.sendall((shown + ("\r\n" if shown and not shown.endswith("\n") else "") + self.cli.prompt()).encode())
