"""Asks the decoding process (`decode_process`) about packets, and survives it.

One packet at a time, with a deadline: a packet that crashes or blocks the process costs only itself and a new process. After FAILURES of
them in one call the rest is shown without being decoded. The answers are treated like a stranger's input: bounded, typed, cleaned.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from .packet import Packet

FIRST_S, EACH_S = 30.0, 4.0
"""Seconds until the answer to the first packet (scapy is loaded then), and to each other one."""
ANSWER = 1 << 18
"""Most octets of one answer."""
FAILURES = 3
WORDS, LAYERS, FIELDS, VALUE = 200, 32, 256, 512
COMMAND = (sys.executable, "-m", "engine.packets.decode_process")


class DecodedPacket(Struct, frozen=True, kw_only=True):
    """A packet, decoded. `layers`: name, and fields with values. `trouble`: why it could not be decoded."""

    packet: Packet
    summary: str
    """One line for people."""
    layers: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    trouble: str = ""


class DecoderEnded(Exception):
    """The process has ended or does not answer. The text says why."""


class Decoder:
    """Thread-safe. The process starts with the first packet, and ends with `close` or with this process."""

    def __init__(self, command: Sequence[str] = COMMAND, first_s: float = FIRST_S, each_s: float = EACH_S) -> None:
        self._command = tuple(command)
        self._first_s = first_s
        self._each_s = each_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = b""
        self.starts = 0

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._end()

    def decode(self, packets: Sequence[Packet]) -> list[DecodedPacket]:
        """Each packet decoded, or with its `trouble`, in the order given. Never raises because of a packet."""
        out: list[DecodedPacket] = []
        failures = 0
        with self._lock:
            for packet in packets:
                if failures >= FAILURES:
                    out.append(undecoded(packet, "the decoder failed several times: see the packet in a capture file"))
                    continue
                try:
                    out.append(self._one(packet))
                except (DecoderEnded, OSError) as error:
                    failures += 1
                    self._end()
                    out.append(undecoded(packet, f"the decoder ended on this packet ({error})"))
        return out

    def _one(self, packet: Packet) -> DecodedPacket:
        fresh = self._process is None or self._process.poll() is not None
        if fresh:
            self._end()
            self._begin()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        body = {
            "n": packet.number,
            "kind": packet.kind,
            "out": packet.out,
            "source": list(packet.source),
            "to": list(packet.to),
            "data": base64.b64encode(packet.data).decode("ascii"),
        }
        process.stdin.write(json.dumps(body).encode("ascii") + b"\n")
        process.stdin.flush()
        return decoded(packet, self._line(self._first_s if fresh else self._each_s))

    def _begin(self) -> None:
        self.starts += 1
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )

    def _line(self, seconds: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        end = time.monotonic() + seconds
        ready = select.poll()  # `select` refuses descriptors above 1023
        ready.register(out, select.POLLIN)
        while b"\n" not in self._pending:
            left = end - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                raise DecoderEnded(f"no answer within {seconds:g} s")
            got = os.read(out, 65536)
            if not got:
                raise DecoderEnded(f"exit code {self._process.wait(5)}")
            self._pending += got
            if len(self._pending) > ANSWER:
                raise DecoderEnded("its answer has no end")
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _end(self) -> None:
        process, self._process, self._pending = self._process, None, b""
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        process.wait()


def environment() -> dict[str, str]:
    """The environment of a process with scapy: the path of this program, and nothing of the user's (no startup file of scapy, no
    secret)."""
    root = str(Path(__file__).resolve().parents[2])
    return {"PATH": os.defpath, "PYTHONPATH": root, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def decoded(packet: Packet, line: bytes) -> DecodedPacket:
    """The answer of the process (one line of JSON) as a record. Raises DecoderEnded if it does not answer this packet."""
    try:
        body = json.loads(line)
        if body["n"] != packet.number:
            raise DecoderEnded("it answered another question")
        if "trouble" in body:
            return undecoded(packet, clean(body["trouble"], WORDS))
        layers = tuple(
            (clean(name, 60), tuple((clean(field, 60), clean(value, VALUE)) for field, value in fields[:FIELDS]))
            for name, fields in body["layers"][:LAYERS]
        )
        return DecodedPacket(packet=packet, summary=clean(body["words"], WORDS), layers=layers)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecoderEnded(f"it said what is not understood: {type(error).__name__}") from error


def undecoded(packet: Packet, trouble: str) -> DecodedPacket:
    """A packet that was not decoded, and why."""
    return DecodedPacket(packet=packet, summary=f"{packet.kind} packet of {len(packet.data)} octets", trouble=trouble)


def clean(text: Any, most: int) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in str(text)[:most])
