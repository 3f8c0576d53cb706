"""Two network namespaces with a cable between them that loses some of its frames: a relay between two veth pairs leaves every n-th out.

`python lossy_link.py LEFT RIGHT EVERY` relays until its standard input ends. EVERY 0 loses nothing. It needs no queueing discipline of the kernel.
"""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import Self

ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
MTU = 1500


def relay(left: str, right: str, every: int) -> None:
    ends = []
    for name in (left, right):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        one.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, struct.pack("i", 1))
        # The kernel's note about a frame goes along with it: veth leaves checksums to a device that never comes.
        one.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        one.bind((name, ETH_P_ALL))
        ends.append(one)
    print("relaying", flush=True)
    passed = 0
    while True:
        ready, _, _ = select.select([*ends, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        for one in (end for end in ends if end in ready):
            frame = one.recv(1 << 17)
            passed += 1
            if every and passed % every == 0 and len(frame) > 200:
                continue
            with suppress(OSError):
                ends[one is ends[0]].send(frame)


class LossyLink:
    """Namespaces `NAMEa` and `NAMEb`, each with a port `eno1`; as a context manager. Raises OSError where it cannot be made."""

    def __init__(self, name: str, every: int) -> None:
        self.spaces = (f"{name}a", f"{name}b")
        self.every = every
        self.macs = ("52:54:00:00:0a:01", "52:54:00:00:0a:02")
        self._ends = (f"{name}1"[-15:], f"{name}2"[-15:])

    def __enter__(self) -> Self:
        try:
            for space, end, mac in zip(self.spaces, self._ends, self.macs, strict=True):
                self._ip("netns", "add", space)
                self._ip("link", "add", end, "type", "veth", "peer", "name", "eno1", "netns", space)
                self._ip("-n", space, "link", "set", "eno1", "address", mac, "mtu", str(MTU), "up")
                self._ip("link", "set", end, "up", "mtu", str(MTU))
            command = [sys.executable, __file__, *self._ends, str(self.every)]
            self._relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self._relay.stdout is not None
            if self._relay.stdout.readline() != "relaying\n":
                raise OSError("no frames can be relayed here")
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            raise OSError(str(error)) from error
        return self

    def __exit__(self, *_wrong: object) -> None:
        relay_process = getattr(self, "_relay", None)
        if relay_process is not None:
            relay_process.communicate(timeout=60)
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
        for end in self._ends:
            subprocess.run(["ip", "link", "del", end], check=False, capture_output=True)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], int(sys.argv[3]))
