"""Decoding of packets in a separate process: hostile packets, and a process that crashes or hangs. No other process loads scapy."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.packets.decoding import COMMAND, FAILURES, DecodedPacket, Decoder, DecoderEnded, decoded
from engine.packets.packet import Packet
from engine.wire import dhcp, lldp, tftp
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, ReplyTo
from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind

ROOT = Path(__file__).parents[2]
MAC = "52:54:00:00:00:01"
ROM = DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=MAC, vendor_class="PXEClient:Arch:00007:UNDI:003016", arch=7, requested="10.0.0.9")
TOR = LldpNeighbour(
    chassis_kind=ChassisKind.MAC,
    chassis_id="52:54:00:00:00:09",
    port_kind=PortKind.INTERFACE_NAME,
    port_id="swp3",
    ttl_s=120,
    system_name="tor1",
)


def packet(kind: str, data: bytes, out: bool = False, number: int = 1) -> Packet:
    return Packet(number=number, at=1.0, kind=kind, out=out, who=MAC, source=("0.0.0.0", 68), to=("10.0.0.1", 67), data=data)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as made:
        yield made


@pytest.mark.parametrize(
    ("kind", "data", "out", "words"),
    [
        ("dhcp", dhcp.encode_request(ROM), False, "DISCOVER from a boot ROM (UEFI x86-64) for 10.0.0.9"),
        (
            "dhcp",
            dhcp.encode_request(
                DhcpRequest(kind=DhcpKind.REQUEST, xid=7, mac=MAC, server_id="10.0.0.1", giaddr="10.1.0.1", user_class=("iPXE",))
            ),
            False,
            "REQUEST from iPXE to server 10.0.0.1 through relay 10.1.0.1",
        ),
        (
            "dhcp",
            dhcp.encode(DhcpReply(kind=DhcpKind.OFFER, to=ReplyTo(xid=7, mac=MAC), yiaddr="10.0.0.9", lease_s=60, filename="snponly.efi")),
            True,
            "OFFER of 10.0.0.9 with boot file snponly.efi for 60 s",
        ),
        (
            "dhcp",
            dhcp.encode(DhcpReply(kind=DhcpKind.NAK, to=ReplyTo(xid=7, mac=MAC), message="wrong network")),
            True,
            "NAK says wrong network",
        ),
        ("tftp", tftp.encode(tftp.Read(filename="undionly.kpxe", blksize=1468)), False, "asks for undionly.kpxe (blksize 1468)"),
        ("tftp", b"\0\1undionly.kpxe\xff\x1b[2J\0octet\0", False, "asks for undionly.kpxe??[2J"),
        ("tftp", tftp.encode(tftp.Error(code=1, message="no such file")), True, "error 1 (no such file): no such file"),
        ("tftp", tftp.encode(tftp.Oack(tsize=7)), True, "agrees to (tsize 7)"),
        ("lldp", lldp.encode_frame(TOR, from_mac=bytes.fromhex("525400000009")), False, "switch tor1, port swp3"),
        ("http", b"GET /boot/script?mac=x HTTP/1.1\r\nHost: x\r\n\r\n", False, "GET /boot/script?mac=x HTTP/1.1"),
    ],
)
def test_in_plain_words(decoder: Decoder, kind: str, data: bytes, out: bool, words: str) -> None:
    (seen,) = decoder.decode([packet(kind, data, out)])
    assert (seen.summary, seen.trouble) == (words, "")
    assert seen.layers
    assert all(text.isascii() and text.isprintable() for _, fields in seen.layers for field in fields for text in field)


def harmless(seen: DecodedPacket) -> bool:
    texts = [
        seen.summary,
        seen.trouble,
        *(text for name, fields in seen.layers for text in (name, *(t for field in fields for t in field))),
    ]
    return all(text.isascii() and text.isprintable() for text in texts)


SEEDS = [
    ("dhcp", dhcp.encode_request(ROM)),
    ("tftp", tftp.encode(tftp.Read(filename="a", blksize=8))),
    ("lldp", lldp.encode_frame(TOR, from_mac=bytes(6))),
    ("http", b"GET / HTTP/1.1\r\n"),
    ("nothing", b""),
]


@given(st.sampled_from(SEEDS), st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_packets_are_an_outcome(decoder: Decoder, seed: tuple[str, bytes], data: st.DataObject) -> None:
    kind, octets = seed
    junk = bytearray(octets or b"\0")
    for _ in range(data.draw(st.integers(0, 12))):
        junk[data.draw(st.integers(0, len(junk) - 1))] = data.draw(st.integers(0, 255))
    whole = bytes(junk[: data.draw(st.integers(0, len(junk)))]) + data.draw(st.binary(max_size=200))
    (seen,) = decoder.decode([packet(kind, whole)])
    assert harmless(seen)
    assert seen.packet.data == whole
    assert decoder.starts == 1, "the process outlives every packet"


def child(body: str) -> tuple[str, ...]:
    """A process that answers as `body` says, which sees each `line`."""
    code = "import json, os, sys, time\nfor line in sys.stdin:\n    body = json.loads(line)\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    return (sys.executable, "-c", code)


GOOD = "print(json.dumps({'n': body['n'], 'words': 'fine', 'layers': []}), flush=True)"


@pytest.mark.parametrize(
    ("misdeed", "said"),
    [
        ("os.kill(os.getpid(), 9)", "exit code -9"),
        ("raise SystemExit(3)", "exit code 3"),
        ("time.sleep(600)", "no answer within 0.3 s"),
        ("print('x' * 500_000, flush=True)", "its answer has no end"),
        ("print('not json', flush=True)", "not understood"),
        ("print('[]', flush=True)", "not understood"),
        ("print('[' * 100_000, flush=True)", "not understood"),
        ("print(json.dumps({'n': 99, 'words': '', 'layers': []}), flush=True)", "another question"),
        ("print(json.dumps({'n': 2, 'words': '', 'layers': 7}), flush=True)", "not understood"),
    ],
)
def test_a_packet_that_ends_the_process_costs_itself(misdeed: str, said: str) -> None:
    with Decoder(
        child(f"if body['n'] == 2:\n    {misdeed}\nelse:\n    {GOOD}"), first_s=20.0, each_s=0.3 if "sleep" in misdeed else 20.0
    ) as decoder:
        seen = decoder.decode([packet("dhcp", b"x", number=n) for n in (1, 2, 3)])
    assert [one.summary for one in seen] == ["fine", "dhcp packet of 1 octets", "fine"]
    assert said in seen[1].trouble
    assert decoder.starts == 2


def test_a_process_that_always_ends_is_not_started_for_ever() -> None:
    with Decoder(child("raise SystemExit(1)")) as decoder:
        seen = decoder.decode([packet("dhcp", b"x", number=n) for n in range(1, 30)])
    assert decoder.starts == FAILURES
    assert all(one.trouble for one in seen)


def test_a_program_that_is_not_there_is_an_outcome() -> None:
    with Decoder(("/nonexistent/decoder",)) as decoder:
        assert "ended" in decoder.decode([packet("dhcp", b"x")])[0].trouble


def test_control_characters_of_the_process_never_pass() -> None:
    with Decoder(
        child("print(json.dumps({'n': 1, 'words': '\\x1b[2J\\u202e', 'layers': [['\\x07', [['\\r', '\\n']]]]}), flush=True)")
    ) as decoder:
        (seen,) = decoder.decode([packet("dhcp", b"x")])
    assert harmless(seen)
    assert seen.summary == "?[2J?"
    with pytest.raises(DecoderEnded):
        decoded(packet("dhcp", b""), b"")


def test_the_process_binds_itself() -> None:
    code = (
        "import resource, engine.packets.decode_process as d; d.bind();"
        "print([resource.getrlimit(x)[0] for x in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == str([1 << 30, 300, 0])


# -- who loads scapy -----------------------------------------------------------------------------------------------

APART = {ROOT / "engine" / "packets" / name for name in ("decode_process.py", "probe_process.py")}


def test_scapy_is_imported_by_the_processes_of_their_own_and_nowhere_else() -> None:
    for folder in ("engine", "crowbar_tui", "barclamps", "images"):
        for path in (ROOT / folder).rglob("*.py"):
            names: set[str] = set()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names |= {node.module or "", *(f"{node.module or ''}.{alias.name}" for alias in node.names)}
            if path in APART:
                assert any(name.startswith("scapy") for name in names)
                continue
            assert not [name for name in names if name.split(".")[0] == "scapy"], path
            assert not [name for name in names if "decode_process" in name or "probe_process" in name], (
                f"{path} would load it into this process"
            )


def test_engine_console_and_command_line_never_load_scapy(tmp_path: Path) -> None:
    """All that they import, and a decoded packet: scapy is in the other process only."""
    code = f"""
import importlib, pathlib, sys
for name in ("engine", "crowbar_tui"):
    for path in sorted(pathlib.Path({str(ROOT)!r}, name).rglob("*.py")):
        if path.name not in ("decode_process.py", "probe_process.py", "__main__.py"):
            module = ".".join(path.relative_to({str(ROOT)!r}).with_suffix("").parts)
            importlib.import_module(module.removesuffix(".__init__"))
from crowbar_tui.cli import parser
parser()
from engine.packets.decoding import Decoder
from engine.packets.packet import Packet
with Decoder() as decoder:
    (seen,) = decoder.decode([Packet(number=1, at=1.0, kind="http", out=False, who="-", source=("", 0), to=("", 0), data=b"GET / HTTP/1.1")])
print(seen.summary, [name for name in sys.modules if name.split(".")[0] == "scapy"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "GET / HTTP/1.1 []"
    assert COMMAND[1:] == ("-m", "engine.packets.decode_process")
