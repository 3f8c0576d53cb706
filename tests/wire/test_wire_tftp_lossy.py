"""TFTP transfers over a wire that loses, doubles and delays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tftp_packets import wire

from engine.wire import tftp
from engine.wire.tftp import Error, Oack, Read, decode, encode
from engine.wire.tftp_transfer import Fetch, Limits, Transfer, TransferState


@given(
    size=st.integers(0, 3000),
    block_size=st.sampled_from([None, 8, 100, 512]),
    window=st.sampled_from([None, 1, 2, 5, 16]),
    fate=st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=60),
)
@settings(deadline=None, max_examples=300)
def test_the_file_arrives_whole_whatever_happens_to_packets(size: int, block_size: int | None, window: int | None, fate: list[int]) -> None:
    body = random.Random(size).randbytes(size)
    request = Read(filename="f", blksize=block_size, windowsize=window, tsize=0)
    transfer, fetch = Transfer(request, body, Limits(retries=100)), Fetch(request, retries=100)
    wire(transfer, fetch, fate)
    assert bytes(fetch.body) == body
    assert fetch.state is TransferState.DONE
    assert transfer.state is TransferState.DONE or (transfer.state is TransferState.TIMED_OUT and fate)
    assert fetch.tsize == size


@pytest.mark.parametrize("window", [None, 8])
def test_doubled_packets_never_multiply(window: int | None) -> None:
    """Sorcerer's Apprentice: every packet of both sides doubled, and yet each block is sent once."""
    body = bytes(50_000)
    request = Read(filename="f", windowsize=window)
    data, _ = wire(Transfer(request, body), fetch := Fetch(request), [2] * 10_000)
    assert bytes(fetch.body) == body
    blocks = len(body) // 512 + 1
    assert data <= blocks + (1 if window else 0)  # and the OACK


def test_the_client_takes_no_more_than_it_agreed_to() -> None:
    fetch = Fetch(Read(filename="f", blksize=512))
    fetch.start(0.0)
    (refusal,) = fetch.receive(encode(Oack(blksize=1024)), 0.1)
    assert decode(refusal) == Error(code=8, message="more than was asked for")
    assert fetch.state is TransferState.REFUSED
    small = Fetch(Read(filename="f"), max_octets=600)
    small.start(0.0)
    assert small.receive(tftp.data(1, bytes(512)), 0.1) == [tftp.ack(1)]
    (refusal,) = small.receive(tftp.data(2, bytes(512)), 0.1)
    assert decode(refusal) == Error(code=3, message="file too large")
    late = Fetch(Read(filename="f"))
    late.start(0.0)
    assert late.receive(tftp.data(1, b"end"), 0.1) == [tftp.ack(1)]
    assert late.receive(tftp.data(1, b"end"), 0.2) == [tftp.ack(1)], "a lost last ACK is given again"
