"""What the tests of TFTP share."""

from __future__ import annotations

from engine.wire.tftp_transfer import Fetch, Transfer, TransferState


def wire(transfer: Transfer, fetch: Fetch, fate: list[int] | None = None) -> tuple[int, int]:
    """Carry packets until both sides rest. `fate` tells of the first packets: 0 lost, 1 carried, 2 doubled, 3 swapped
    with the next. Returns how many packets each side sent."""
    fates = iter(fate or [])
    now, counts = 0.0, [0, 0]
    queues: tuple[list[bytes], list[bytes]] = ([], [])  # to fetch, to transfer

    def put(to: int, batch: list[bytes]) -> None:
        counts[to] += len(batch)
        for packet in batch:
            match next(fates, 1):
                case 1:
                    queues[to].append(packet)
                case 2:
                    queues[to].extend((packet, packet))
                case 3:
                    queues[to].insert(max(0, len(queues[to]) - 1), packet)

    put(0, transfer.start(now))
    fetch.start(now)
    while transfer.state is TransferState.RUNNING or fetch.state is TransferState.RUNNING:
        if queues[0]:
            put(1, fetch.receive(queues[0].pop(0), now))
        elif queues[1]:
            put(0, transfer.receive(queues[1].pop(0), now))
        else:
            now = min(m.deadline for m in (transfer, fetch) if m.state is TransferState.RUNNING)
            put(0, transfer.tick(now))
            if fetch.state is TransferState.RUNNING and fetch.body:  # before that it would ask again, at another port
                put(1, fetch.tick(now))
            elif now >= fetch.deadline:
                fetch.deadline = now + 1.0
    return counts[0], counts[1]
