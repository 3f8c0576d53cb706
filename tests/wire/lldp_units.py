"""A neighbour, and why a unit is refused."""

from __future__ import annotations

from engine.wire.lldp import Malformed, decode, decode_frame

REASONS = {
    "short",
    "ethertype",
    "oversize",
    "chassis_id",
    "port_id",
}
HEAD = b"\x02\x07\x04" + bytes.fromhex("525400000001") + b"\x04\x05\x05swp3" + b"\x06\x02\x00\x78"


def reason(pdu: bytes, whole_frame: bool = False) -> str:
    """Why it is refused, "" where it is not; whatever else is raised is a failure."""
    try:
        (decode_frame if whole_frame else decode)(pdu)
    except Malformed as refused:
        return refused.reason
    return ""
