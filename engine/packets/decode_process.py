"""Decodes packets with scapy, in a separate process: `python -m engine.packets.decode_process`, started by `decoding`.

    stdin    one JSON object a line: n, kind, out, source, to, data (base64)
    stdout   one JSON object a line: n, words, layers [[name, [[field, value], ...]], ...]; or n, trouble

scapy is GPL-2 and this program is Apache-2.0. So only this file and `probe_process` import scapy; the engine, the console and the
command line run these files as programs and exchange lines with them. See the README's section on licences.

Strangers wrote the input. So the process limits its own memory, processor time and files before it imports anything large. A packet has
SECONDS to be decoded; after that it is reported as trouble. All output is printable ASCII.
"""

from __future__ import annotations

import base64
import json
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

MEMORY = 1 << 30
"""Most octets of address space."""
CPU_S = 300
SECONDS = 2.0
"""Most seconds for one packet."""
LINE = 64 << 10
"""Most octets of a line of input."""
FIELDS, VALUE = 200, 500
"""Most fields of a layer in the output, and most characters of a value."""
ARCHITECTURES = {
    0: "BIOS",
    6: "UEFI IA32",
    7: "UEFI x86-64",
    9: "UEFI x86-64",
    11: "UEFI arm64",
    15: "UEFI IA32, by HTTP",
    16: "UEFI x86-64, by HTTP",
    19: "UEFI arm64, by HTTP",
}
KINDS = {
    1: "DISCOVER",
    2: "OFFER",
    3: "REQUEST",
    4: "DECLINE",
    5: "ACK",
    6: "NAK",
    7: "RELEASE",
    8: "INFORM",
}
TFTP_ERRORS = {1: "no such file", 2: "access denied", 4: "illegal request", 5: "unknown transfer", 8: "options refused"}


def bind() -> None:
    """Limits this process: memory, processor time, open files, no writing to files. Raises OSError."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def clean(text: object) -> str:
    """At most VALUE characters of printable ASCII. Anything else (control characters, changes of the writing direction) becomes `?`."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in shown[: VALUE + 1])[:VALUE]


def main() -> None:
    bind()
    from scapy.config import conf
    from scapy.contrib import lldp
    from scapy.layers import dhcp, tftp
    from scapy.packet import Packet, Raw

    conf.contribs["LLDP"].strict_mode_disable()  # a frame out of order is shown as well
    decoders: dict[str, Callable[[bytes, bool], tuple[str, Any]]] = {
        "dhcp": lambda data, out: _dhcp(dhcp, data, out),
        "tftp": lambda data, _: _tftp(tftp, data),
        "lldp": lambda data, _: _lldp(lldp, data),
        "http": lambda data, _: (clean(data.partition(b"\r\n")[0]), Raw(data)),
    }

    def late(*_: object) -> None:
        raise TimeoutError(f"it took longer than {SECONDS:g} s")

    signal.signal(signal.SIGALRM, late)
    for line in iter(lambda: sys.stdin.buffer.readline(LINE), b""):
        number = 0
        try:
            body = json.loads(line)
            number = int(body["n"])
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            words, packet = decoders[body["kind"]](base64.b64decode(body["data"]), bool(body["out"]))
            told = {"n": number, "words": clean(words), "layers": _layers(packet, Packet)}
        except Exception as error:  # whatever a stranger's bytes do to the decoder, it decodes the next packet
            told = {"n": number, "trouble": clean(f"{type(error).__name__}: {error}")}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


# -- in words --------------------------------------------------------------------------------------------------------


def _dhcp(dhcp: Any, data: bytes, out: bool) -> tuple[str, Any]:
    packet = dhcp.BOOTP(data)
    options: dict[int, Any] = {}
    for option in packet[dhcp.DHCP].options if dhcp.DHCP in packet else ():
        if isinstance(option, tuple) and len(option) > 1:
            code = dhcp.DHCPRevOptions[option[0]][0] if option[0] in dhcp.DHCPRevOptions else option[0]
            options.setdefault(code, option[1])
    kind = KINDS.get(options.get(53, 0), "BOOTP" if dhcp.DHCP not in packet else "no message type")
    return (_told(kind, packet, options) if out else _asked(kind, packet, options)), packet


def _asked(kind: str, packet: Any, options: dict[int, Any]) -> str:
    what = [kind]
    vendor, user = clean(options.get(60, "")), clean(options.get(77, ""))
    if "iPXE" in user:
        what.append("from iPXE")
    elif vendor.startswith(("PXEClient", "HTTPClient")):
        what.append(f"from a boot ROM ({ARCHITECTURES.get(_number(options.get(93)), 'BIOS')})")
    elif vendor:
        what.append(f"from {vendor[:40]}")
    wanted = options.get(50) or (packet.ciaddr if packet.ciaddr != "0.0.0.0" else "")
    if wanted:
        what.append(f"for {clean(wanted)}")
    if 54 in options:
        what.append(f"to server {clean(options[54])}")
    if packet.giaddr != "0.0.0.0":
        what.append(f"through relay {packet.giaddr}")
    if 56 in options:
        what.append(f"says {clean(options[56])}")
    return " ".join(what)


def _told(kind: str, packet: Any, options: dict[int, Any]) -> str:
    what = [kind]
    if packet.yiaddr != "0.0.0.0":
        what.append(f"of {packet.yiaddr}")
    if 56 in options:
        what.append(f"says {clean(options[56])}")
    name = clean(options.get(67, b"")).rstrip("?") or clean(bytes(packet.file).partition(b"\0")[0])
    if name:
        what.append(f"with boot file {name}")
    if 51 in options:
        what.append(f"for {_number(options[51])} s")
    if packet.giaddr != "0.0.0.0":
        what.append(f"through relay {packet.giaddr}")
    return " ".join(what)


def _number(value: Any) -> int:
    """The value of an option that scapy read as a number, a list of numbers, or bytes."""
    if isinstance(value, list | tuple):
        value = value[0] if value else 0
    if isinstance(value, bytes):
        return int.from_bytes(value[:2], "big")
    return value if isinstance(value, int) else 0


def _tftp(tftp: Any, data: bytes) -> tuple[str, Any]:
    packet = tftp.TFTP(data)
    opcode = packet.op
    options = [(clean(o.oname), clean(o.value)) for o in packet[tftp.TFTP_Options].options] if tftp.TFTP_Options in packet else []
    more = f" ({', '.join(f'{name} {value}' for name, value in options[:6])})" if options else ""
    if opcode in (1, 2):
        verb = "asks for" if opcode == 1 else "wants to write"
        return f"{verb} {clean(data[2:].partition(bytes(1))[0])}{more}", packet
    if opcode == 5 and tftp.TFTP_ERROR in packet:
        error = packet[tftp.TFTP_ERROR]
        return f"error {error.errorcode} ({TFTP_ERRORS.get(error.errorcode, 'not defined')}): {clean(error.errormsg)}", packet
    if opcode == 6:
        return f"agrees to{more or ' no option'}", packet
    return f"TFTP packet of kind {opcode}", packet


def _lldp(lldp: Any, data: bytes) -> tuple[str, Any]:
    from scapy.layers.l2 import Ether

    packet = Ether(data)
    name = clean(packet[lldp.LLDPDUSystemName].system_name) if lldp.LLDPDUSystemName in packet else ""
    chassis = clean(packet[lldp.LLDPDUChassisID].id) if lldp.LLDPDUChassisID in packet else "no chassis id"
    port = clean(packet[lldp.LLDPDUPortID].id) if lldp.LLDPDUPortID in packet else "no port id"
    return f"switch {name or chassis}, port {port}", packet


# -- in full ---------------------------------------------------------------------------------------------------------


def _layers(packet: Any, kind: type) -> list[Any]:
    out: list[Any] = []
    layer: Any = packet
    while issubclass(type(layer), kind) and type(layer).__name__ != "NoPayload" and len(out) < 32:
        fields: list[list[str]] = []
        for field in layer.fields_desc:
            value = layer.getfieldval(field.name)
            if field.name == "options" and isinstance(value, list):
                fields += [_option(one) for one in value[:FIELDS]]
            else:
                fields.append([clean(field.name), clean(field.i2repr(layer, value))])
        out.append([clean(layer.name), fields[:FIELDS]])
        layer = layer.payload
    return out


def _option(option: Any) -> list[str]:
    if isinstance(option, tuple):
        return [f"option {clean(option[0])}", clean(", ".join(_value(v) for v in option[1:]))]
    if hasattr(option, "oname"):
        return [f"option {clean(option.oname)}", clean(option.value)]
    return [f"option {clean(option)}", ""]


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        text = value.rstrip(b"\0")
        return text.decode() if text.isascii() and text.decode("ascii").isprintable() else value.hex(" ")
    return str(value)


if __name__ == "__main__":
    main()
