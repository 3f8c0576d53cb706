"""DHCP exchanges per second without loss, the whole engine beside dnsmasq: `python tests/bench/bench_dhcp.py [DIRECTORY]`.

perfdhcp, as a relay in a network namespace of its own, plays 100, 1,000 and 5,000 clients over a veth pair; each full exchange is DISCOVER,
OFFER, REQUEST, ACK. The engine runs as it is (durable leases: store with journal in DIRECTORY, every commit synced before its replies leave);
dnsmasq runs authoritative, without its ping, with its lease file in the same place, which it does not sync. Both know all clients already. The
figure is the highest of the tried rates (steps of about 20 %) at which less than 0.1 % of offers and of ACKs were missing in one of two
tries of two seconds; perfdhcp itself takes one of the cores, so more than about 13,000 cannot be seen on two.

Takes about two minutes. Without perfdhcp or dnsmasq or without root, it says so and ends well.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "net"), str(Path(__file__).resolve().parent)]

from limits import figure, run, waiting_for
from net_lab import EngineProcess, Lab, plan_text, program, stop, wait_for, why_no_lab

SUBNET, POOL = "192.168.0.0/16", ("192.168.128.1", "192.168.191.254")
CLIENTS = (100, 1_000, 5_000)
RATES = (
    50,
    75,
    110,
    160,
    230,
    330,
    480,
    700,
    850,
    1_000,
    1_250,
    1_500,
    1_800,
    2_200,
    2_600,
    3_100,
    3_700,
    4_500,
    5_400,
    6_400,
    7_700,
    9_200,
    11_000,
    13_000,
)
LOSS = 0.1
SECONDS = 2
LIMIT_S = 900.0


def perfdhcp(lab: Lab, clients: int, rate: int, seconds: float) -> tuple[float, float]:
    """Percent of offers and of ACKs that were missing."""
    words = ["perfdhcp", "-4", "-l", "c0", "-r", str(rate), "-R", str(clients), "-p", str(seconds), "-W", "300000"]
    out = lab.run("clients", *words, check=False, timeout_s=seconds + 30).stdout
    drops = re.findall(r"drops ratio: ([0-9.]+)", out)
    received = re.findall(r"received packets: ([0-9]+)", out)
    if len(drops) != 2 or "0" in received:
        return 100.0, 100.0
    return float(drops[0]), float(drops[1])


def carries(lab: Lab, clients: int, rate: int) -> bool:
    for _ in range(2):
        if max(perfdhcp(lab, clients, rate, SECONDS)) < LOSS:
            return True
        time.sleep(0.5)  # what is left in queues
    return False


def highest(lab: Lab, clients: int, first: int) -> int:
    """The highest rate that is carried; 0: none."""
    low, high = -1, len(RATES)
    middle = min(range(len(RATES)), key=lambda i: abs(RATES[i] - first))
    while high - low > 1:
        if carries(lab, clients, RATES[middle]):
            low = middle
        else:
            high = middle
        middle = (low + high) // 2
    return RATES[low] if low >= 0 else 0


def of_engine(lab: Lab, directory: Path, clients: int) -> tuple[int, float, list[tuple[str, str]]]:
    """Highest rate, CPU in us a packet, and the leases."""
    plan = plan_text(subnet=SUBNET, dhcp="-".join(POOL))
    engine = EngineProcess(lab, directory / f"store{clients}", plan)
    with waiting_for(f"{clients} clients to have a lease of the engine"):
        while len(engine.ask("leases")) < clients:
            perfdhcp(lab, clients, 3_000, 2)
    before = engine.ask("counters")
    rate = highest(lab, clients, 6_400)
    after = engine.ask("counters")
    leases = [(lease["mac"], lease["address"]) for lease in engine.ask("leases")]
    engine.stop()
    assert not after["letters"], after["letters"]
    packets = after["DhcpService"]["received"] - before["DhcpService"]["received"]
    return rate, (after["cpu_s"] - before["cpu_s"]) / packets * 1e6, leases


def of_dnsmasq(lab: Lab, directory: Path, clients: int, leases: list[tuple[str, str]]) -> int:
    file = directory / "dnsmasq.leases"
    until = int(time.time()) + 3_600
    file.write_text("".join(f"{until} {mac} {address} * *\n" for mac, address in leases))
    server = lab.popen(
        "server",
        program("dnsmasq"),
        "--keep-in-foreground",
        "--port=0",
        "--interface=br0",
        "--conf-file=/dev/null",
        "--no-ping",
        "--user=root",
        "--dhcp-authoritative",
        "--dhcp-lease-max=20000",
        f"--dhcp-range={POOL[0]},{POOL[1]},255.255.0.0,3600",
        f"--dhcp-leasefile={file}",
        f"--pid-file={directory / 'dnsmasq.pid'}",
        "--quiet-dhcp",
        "--log-facility=/dev/null",
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: ":67 " in lab.run("server", "ss", "-lun").stdout, "dnsmasq")
    rate = highest(lab, clients, {100: 3_100, 1_000: 850, 5_000: 330}[clients])
    stop(server)
    return rate


def sync_ms(directory: Path) -> float:
    times: list[float] = []
    with (directory / "sync").open("wb", buffering=0) as file:
        for _ in range(100):
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[50] * 1e3


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> None:
    missing = why_no_lab() or next((f"{name} is not installed" for name in ("perfdhcp", "dnsmasq") if not program(name)), "")
    if not missing and os.geteuid():
        missing = "dnsmasq sets its user and groups, which a user namespace forbids: run it as root"
    if missing:
        say(f"skipped: {missing}")
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        directory = Path(folder)
        say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, one fdatasync {sync_ms(directory):.2f} ms\n")
        say("| clients | engine, exchanges/s | dnsmasq, exchanges/s | ratio | engine's CPU, us a packet |\n|---|---|---|---|---|")
        for clients in CLIENTS:
            with Lab("clients", prefix=16) as lab:
                lab.run("clients", "ip", "address", "add", "192.168.1.1/16", "dev", "c0")
                ours, cpu, leases = of_engine(lab, directory, clients)
                theirs = of_dnsmasq(lab, directory, clients, leases)
            ratio = f"{ours / theirs:.1f}" if theirs else f"more than {ours // RATES[0]}"
            shown = f"{theirs:,}" if theirs else f"under {RATES[0]}"
            say(f"| {clients:,} | {ours:,} | {shown} | {ratio} | {cpu:.0f} |")
            figure(f"exchanges a second, {clients:,} clients", ours, "/s", better="more")
            figure(f"engine's CPU a packet, {clients:,} clients", cpu, "us")
        say(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    raise SystemExit(run("dhcp", main, LIMIT_S))
