"""An image of 100 MiB by HTTP to 8 and to 200 clients at once, the whole engine beside nginx: `python tests/bench/bench_http.py [DIRECTORY]`.

Over a veth pair, one curl process a client, each from an address of its own. nginx as Debian sets it up: sendfile, a worker a core. Time is from
the start of the first client to the end of the last one; best of the rounds, in turns. CPU is what the server used, its kernel time included.

Takes about a minute and reads from the page cache. Without curl or nginx or without root, it says so and ends well.
"""

from __future__ import annotations

import hashlib
import os
import random
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

SIZE = 100 << 20
LIMIT_S = 600.0
ROUNDS = {8: 3, 200: 1}
NGINX = """daemon off; worker_processes auto; pid {folder}/nginx.pid; error_log /dev/null; worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{ sendfile on; tcp_nopush on; access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; server {{ listen 80; root {root}; }} }}
"""


def built_image(folder: Path) -> None:
    """A discovery image as its build leaves it, with an initrd of 100 MiB."""
    folder.mkdir(parents=True)
    sums = ""
    for name, size in (("vmlinuz", 1 << 20), ("initrd.img", SIZE)):
        data = random.Random(name).randbytes(size)
        (folder / name).write_bytes(data)
        sums += f"{hashlib.sha256(data).hexdigest()}  {name}\n"
    (folder / "SHA256SUMS").write_text(sums)


def fetch(lab: Lab, clients: int, path: str) -> None:
    lines = "\n".join(f"192.168.1.{i % 200 + 1}" for i in range(clients))
    words = f"xargs -P {clients} -I HERE curl -sSf --interface HERE -o /dev/null http://{ADMIN}{path}".split()
    with waiting_for(f"{clients} clients to fetch {path}"):
        lab.run("clients", *words, input=lines, timeout_s=120)


def measured(lab: Lab, pid: int, clients: int, path: str) -> tuple[float, float]:
    before, start = cpu_s(pid), time.perf_counter()
    fetch(lab, clients, path)
    return time.perf_counter() - start, cpu_s(pid) - before


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> None:
    missing = why_no_lab() or next((f"{name} is not installed" for name in ("curl", "nginx") if not program(name)), "")
    if not missing and os.geteuid():
        missing = "nginx sets its user and groups, which a user namespace forbids: run it as root"
    if missing:
        say(f"skipped: {missing}")
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder, Lab("clients", prefix=16) as lab:
        directory = Path(folder)
        directory.chmod(0o755)
        for i in range(1, 201):
            lab.run("clients", "ip", "address", "add", f"192.168.1.{i}/16", "dev", "c0")
        built_image(directory / "store" / "images" / "sledgehammer")
        (directory / "nginx.conf").write_text(NGINX.format(folder=directory, root=directory / "store" / "images"))
        best: dict[tuple[int, str], tuple[float, float]] = {}
        for clients, rounds in ROUNDS.items():
            for _ in range(rounds):
                engine = EngineProcess(
                    lab, directory / "store", plan_text(subnet="192.168.0.0/16", dhcp="192.168.128.1-192.168.129.254"), "built"
                )
                fetch(lab, 1, "/image/sledgehammer/initrd.img")
                found = measured(lab, engine.process.pid, clients, "/image/sledgehammer/initrd.img")
                best[(clients, "engine")] = min(best.get((clients, "engine"), found), found)
                engine.stop()
                server = lab.popen("server", program("nginx"), "-c", str(directory / "nginx.conf"), stderr=subprocess.DEVNULL)
                wait_for(lambda: ":80 " in lab.run("server", "ss", "-ltn").stdout, "nginx")
                fetch(lab, 1, "/sledgehammer/initrd.img")
                found = measured(lab, server.pid, clients, "/sledgehammer/initrd.img")
                best[(clients, "nginx")] = min(best.get((clients, "nginx"), found), found)
                stop(server)
        say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {SIZE:,} octets a client\n")
        say(
            "| clients | engine, s | GB/s | its CPU, s | nginx, s | GB/s | its CPU, s | engine's time / nginx's |\n|---|---|---|---|---|---|---|---|"
        )
        for clients in ROUNDS:
            (ours, our_cpu), (theirs, their_cpu) = best[(clients, "engine")], best[(clients, "nginx")]
            gigabytes = clients * SIZE / 1e9
            speeds = [f"{seconds:.2f} | {gigabytes / seconds:.2f} | {cpu:.2f}" for seconds, cpu in ((ours, our_cpu), (theirs, their_cpu))]
            say(f"| {clients} | {' | '.join(speeds)} | {ours / theirs:.2f} |")
            figure(f"{clients} clients, seconds", ours, "s")
            figure(f"{clients} clients, engine's CPU", our_cpu, "s")


if __name__ == "__main__":
    raise SystemExit(run("http", main, LIMIT_S))
