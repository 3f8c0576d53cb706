"""What a DHCP packet costs: reading a request of a boot ROM and writing the offer, `python tests/bench/bench_wire.py`.

Time of the processor, the lowest mean of ROUNDS samples.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from limits import figure, run

from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, decode, encode, encode_request, reply_to

ROUNDS = 500
SAMPLE = 20
LIMIT_S = 60.0
ASKS = DhcpRequest(
    kind=DhcpKind.DISCOVER,
    xid=0xDEADBEEF,
    mac="52:54:00:00:00:01",
    secs=4,
    broadcast=True,
    client_id="01525400123456",
    vendor_class="PXEClient:Arch:00007:UNDI:003016",
    arch=7,
    uuid="44454c4c-3600-1053-8033-b8c04f4e3232",
    parameters=(1, 3, 6, 15, 66, 67, 97),
    max_size=1472,
)


def cost_us(what: Callable[[], object]) -> float:
    means = []
    for _ in range(ROUNDS):
        begun = thread_time()
        for _ in range(SAMPLE):
            what()
        means.append((thread_time() - begun) / SAMPLE)
    return min(means) * 1e6


def main() -> None:
    packet = encode_request(ASKS)
    offer = DhcpReply(kind=DhcpKind.OFFER, to=reply_to(decode(packet)), yiaddr="10.1.0.5", server_id="10.1.0.1")
    for name, what in (("reading a request", lambda: decode(packet)), ("writing an offer", lambda: encode(offer))):
        print(f"{name}: {(us := cost_us(what)):.1f} us")
        figure(name, us, "us")


if __name__ == "__main__":
    raise SystemExit(run("wire", main, LIMIT_S))
