"""A loader of 1 MiB by TFTP to 100 clients at once, the whole engine beside dnsmasq: `python tests/bench/bench_tftp.py [DIRECTORY]`.

Over a veth pair, blocks of 1,468 octets, each client from an address of its own. Window 1: 100 curl processes. Window 16 (RFC 7440): a lean client
in two processes, 50 transfers each; dnsmasq knows no window and sends one block at a time to the same client. Time is from the start of the first
client to the end of the last one, which includes starting curl; the best of three rounds, in turns. CPU is what the server used.

Takes about half a minute. Without curl or dnsmasq or without root, it says so and ends well.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "net"), str(Path(__file__).resolve().parent)]
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from limits import figure, run, waiting_for
from net_lab import ADMIN, EngineProcess, Lab, cpu_s, plan_text, program, stop, wait_for, why_no_lab

CLIENTS, ROUNDS, LOADER = 100, 3, "undionly.kpxe"
SIZE = 1025 * 1024
LIMIT_S = 300.0


def addresses(first: int, count: int) -> list[str]:
    return [f"192.168.1.{i}" for i in range(first, first + count)]


class Transfer:
    """One file on its way, as the lean client keeps it."""

    def __init__(self, address: str, request: bytes) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        self.sock.bind((address, 0))
        self.server = (ADMIN, 69)
        self.next, self.window, self.octets = 1, 1, 0
        self.send(request)

    def send(self, packet: bytes) -> None:
        self.last, self.at = packet, time.monotonic()
        self.sock.sendto(packet, self.server)

    def receive(self, buffer: bytearray) -> bool:
        """Takes what has come. True: it was the last block."""
        while True:
            try:
                size, self.server = self.sock.recvfrom_into(buffer, 1500, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            code, block = struct.unpack_from("!HH", buffer)
            if code == 6:
                if b"windowsize\x0016\0" in buffer[:size]:
                    self.window = 16
                block = 0
            elif code != 3:
                sys.exit(f"refused: {bytes(buffer[:size])!r}")
            elif block == self.next & 0xFFFF:
                self.octets += size - 4
                self.next += 1
            else:
                continue
            last = code == 3 and size < 1472
            if code == 6 or last or block % self.window == 0:
                self.send(struct.pack("!HH", 4, block))
            if last:
                return True

    def remind(self, now: float) -> None:
        """Send the last packet again, where a second went by without one."""
        if now - self.at > 1.0:
            self.send(self.last if self.next == 1 else struct.pack("!HH", 4, self.next - 1 & 0xFFFF))


def fetch_all(first: int, count: int) -> None:
    """The lean client: `count` transfers with window 16 from as many addresses. Exits 1 if one is not whole."""
    request = b"\0\1" + b"\0".join([LOADER.encode(), b"octet", b"blksize", b"1468", b"windowsize", b"16", b""])
    epoll = select.epoll()
    open_: dict[int, Transfer] = {}
    for address in addresses(first, count):
        one = Transfer(address, request)
        epoll.register(one.sock, select.EPOLLIN)
        open_[one.sock.fileno()] = one
    buffer = bytearray(1500)
    while open_:
        ready = epoll.poll(0.2)
        for fd, _ in ready:
            one = open_[fd]
            if one.receive(buffer):
                if one.octets != SIZE:
                    sys.exit(f"{one.octets} octets")
                epoll.unregister(fd)
                one.sock.close()
                del open_[fd]
        now = time.monotonic()
        for one in open_.values():
            one.remind(now)


def by_curl(lab: Lab) -> None:
    words = f"xargs -P {CLIENTS} -I HERE curl -sS --interface HERE --tftp-blksize 1468 -o /dev/null tftp://{ADMIN}/{LOADER}".split()
    lab.run("clients", *words, input="\n".join(addresses(1, CLIENTS)), timeout_s=60)


def by_window(lab: Lab) -> None:
    started = [lab.popen("clients", sys.executable, __file__, "--fetch", str(first), str(CLIENTS // 2)) for first in (1, 1 + CLIENTS // 2)]
    assert [one.wait(60) for one in started] == [0, 0]


def measured(lab: Lab, pid: int, what: Callable[[Lab], None]) -> tuple[float, float]:
    before, start = cpu_s(pid), time.perf_counter()
    with waiting_for(f"{CLIENTS} clients of TFTP"):
        what(lab)
    return time.perf_counter() - start, cpu_s(pid) - before


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> None:
    missing = why_no_lab() or next((f"{name} is not installed" for name in ("curl", "dnsmasq") if not program(name)), "")
    if not missing and os.geteuid():
        missing = "dnsmasq sets its user and groups, which a user namespace forbids: run it as root"
    if missing:
        say(f"skipped: {missing}")
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder, Lab("clients", prefix=16) as lab:
        directory = Path(folder)
        directory.chmod(0o755)
        for address in addresses(1, CLIENTS):
            lab.run("clients", "ip", "address", "add", f"{address}/16", "dev", "c0")
        best: dict[tuple[str, str], tuple[float, float]] = {}
        for _ in range(ROUNDS):
            engine = EngineProcess(lab, directory / "store", plan_text(subnet="192.168.0.0/16", dhcp="192.168.128.1-192.168.129.254"))
            pid = engine.process.pid
            for name, what in (("1, curl", by_curl), ("16", by_window)):
                found = measured(lab, pid, what)
                best[(name, "engine")] = min(best.get((name, "engine"), found), found)
            counted = engine.ask("counters")["TftpService"]
            assert counted["done"] == 2 * CLIENTS, counted
            engine.stop()
            loader = directory / "store" / "images" / "synthetic" / "loader" / LOADER
            server = lab.popen(
                "server",
                program("dnsmasq"),
                "--keep-in-foreground",
                "--port=0",
                "--interface=br0",
                "--conf-file=/dev/null",
                "--user=root",
                "--enable-tftp",
                f"--tftp-root={loader.parent}",
                "--tftp-max=1000",
                f"--pid-file={directory / 'pid'}",
                "--log-facility=/dev/null",
                stderr=subprocess.DEVNULL,
            )
            wait_for(lambda: ":69 " in lab.run("server", "ss", "-lun").stdout, "dnsmasq")
            for name, what in (("1, curl", by_curl), ("16", by_window)):
                found = measured(lab, server.pid, what)
                best[(name, "dnsmasq")] = min(best.get((name, "dnsmasq"), found), found)
            stop(server)
        say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {CLIENTS} clients x {SIZE:,} octets\n")
        say("| window | engine, s | its CPU, s | dnsmasq, s | its CPU, s | engine's time / dnsmasq's |\n|---|---|---|---|---|---|")
        for name in ("1, curl", "16"):
            (ours, our_cpu), (theirs, their_cpu) = best[(name, "engine")], best[(name, "dnsmasq")]
            say(f"| {name} | {ours:.2f} | {our_cpu:.2f} | {theirs:.2f} | {their_cpu:.2f} | {ours / theirs:.2f} |")
            figure(f"window {name}, seconds", ours, "s")
            figure(f"window {name}, engine's CPU", our_cpu, "s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fetch"]:
        fetch_all(int(sys.argv[2]), int(sys.argv[3]))
    else:
        raise SystemExit(run("tftp", main, LIMIT_S))
