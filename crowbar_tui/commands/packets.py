"""`crowbar packets`: the last packets of a machine in words, live, or as a capture file for Wireshark.

The packets are in the engine's memory, so an engine must run. A separate process decodes them (`engine.packets.decoding`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from engine.api.control import Attached, AttachError, Capture, DecodedPacket, Decoder, Packet, Reason, from_json

from .. import answers
from ..console.formats import clock
from ..paths import STDOUT, path_or_stdout

POLL_S = 0.3


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "packets",
        help="show the last packets of a machine, or write them to a capture file",
        description="Shows the DHCP, TFTP, HTTP (boot files) and LLDP packets of the engine, and why it did not answer one.",
    )
    command.add_argument("who", nargs="?", default="", metavar="NODE|MAC", help="the machine (default: all machines)")
    command.add_argument("--follow", action="store_true", help="print new packets as they come")
    whole = "write the packets to a file for Wireshark (FILE.pcapng: each drop has its cause as a comment; -: standard output)"
    command.add_argument("--pcap", type=path_or_stdout, default=None, metavar="FILE", help=whole)
    command.add_argument("--full", action="store_true", help="print every field of each packet")
    command.add_argument("--json", action="store_true", help="print one JSON object per packet")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        with Attached(arguments.store) as engine:
            return _capture(engine, arguments) if arguments.pcap is not None else _tell(engine, arguments)
    except AttachError as error:
        return answers.no_engine(error)
    except KeyboardInterrupt:  # the end of --follow
        return 0


class Refused(Exception):
    """The engine does not know this machine."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def batches(engine: Attached, who: str, follow: bool) -> Iterator[list[Packet]]:
    """Yields the stored packets, and with `follow` new ones as they come. Raises Refused and AttachError."""
    after = 0
    while True:
        answer = engine.packets(who, after)
        if isinstance(answer, Reason):
            raise Refused(answer)
        body: Any = answer.result
        after = int(body["next"])
        yield [from_json(one) for one in body["packets"]]
        if body["more"]:
            continue
        if not follow:
            return
        time.sleep(POLL_S)


def _tell(engine: Attached, arguments: argparse.Namespace) -> int:
    many = 0
    try:
        with Decoder() as decoder:
            for packets in batches(engine, arguments.who, arguments.follow):
                for decoded in decoder.decode(packets):
                    many += 1
                    print(json.dumps(as_json(decoded)) if arguments.json else in_words(decoded, arguments.full), flush=arguments.follow)
    except Refused as refused:
        answers.refuse("", "packets", refused.reason, arguments.json)
        return 1
    if not many and not arguments.json:
        who = f" of {arguments.who}" if arguments.who else ""
        print(f"the engine has received and sent no packet{who} since it started")
    return 0


def in_words(decoded: DecodedPacket, full: bool) -> str:
    packet = decoded.packet
    way = "->" if packet.out else "<-"
    out = [f"{clock(packet.at)} {packet.who:<17} {way} {packet.kind:<4} {decoded.summary}"]
    if packet.cause:
        out.append(f"{'':>30}not answered: {packet.cause}")
    if decoded.trouble:
        out.append(f"{'':>30}not decoded: {decoded.trouble}")
    if full:
        for name, fields in decoded.layers:
            out.append(f"    {name}")
            out += [f"      {field:<28} {value}" for field, value in fields]
    return "\n".join(out)


def as_json(decoded: DecodedPacket) -> dict[str, Any]:
    packet = decoded.packet
    body: dict[str, Any] = {
        "type": "packet",
        "n": packet.number,
        "at": packet.at,
        "kind": packet.kind,
        "out": packet.out,
        "mac": packet.who,
        "source": list(packet.source),
        "to": list(packet.to),
        "words": decoded.summary,
        "cause": packet.cause,
        "trouble": decoded.trouble,
        "octets": packet.data.hex(),
    }
    return body | {"layers": [{"name": name, "fields": [list(field) for field in fields]} for name, fields in decoded.layers]}


def _capture(engine: Attached, arguments: argparse.Namespace) -> int:
    path: Path = arguments.pcap
    try:
        stream = batches(engine, arguments.who, arguments.follow)
        first = next(stream)  # an unknown name creates no file
        with _opened(path) as file:
            capture = Capture(file, comments=path.suffix == ".pcapng")
            try:
                capture.write(first)
                for packets in stream:
                    capture.write(packets)
            except KeyboardInterrupt:  # the end of --follow
                pass
    except Refused as refused:
        answers.refuse("", "packets", refused.reason, arguments.json)
        return 1
    except BrokenPipeError:  # somebody closed Wireshark
        return 0
    except OSError as error:
        print(f"crowbar: cannot write {path} ({error.strerror or error})", file=sys.stderr)
        return 1
    if path != STDOUT:
        body = {"type": "capture", "file": str(path), "packets": capture.count}
        summary = f"{capture.count} packets in {path}; their headers were rebuilt (docs/operations.md)"
        print(json.dumps(body) if arguments.json else summary)
    return 0


def _opened(path: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    return contextlib.nullcontext(sys.stdout.buffer) if path == STDOUT else path.open("wb")
