"""Sentences for faults of packets: one for each reason of the codecs. The console shows it with the packet's sender.

The codecs define the codes, and there are few. So a service can count by code, and a stranger cannot invent new ones. `*_ODD` are faults
of a field: the field was ignored, and the packet was answered.
"""

from __future__ import annotations

DHCP_LOST = {
    "short": "it is shorter than the fixed part of DHCP (240 octets)",
    "oversize": "it is longer than 4096 octets",
    "op": "it is a server's reply, not a client's request",
    "hardware": "it names no Ethernet address of one machine (htype, chaddr)",
    "cookie": "it has no DHCP magic cookie, as plain BOOTP",
    "kind": "it says no message type of a client",
    "server_id": "it is a REQUEST and its server identifier cannot be read",
}
DHCP_ODD = {
    "truncated": "runs past the end of the packet",
    "length": "has a length that its definition does not allow",
    "repeated": "came more than once: the first counts",
    "value": "holds a value that its definition does not allow",
    "too_long": "is too long to be kept or echoed",
    "suboption": "has a suboption whose length is wrong",
    "hardware": "has an unusual hardware type or address length",
}
TFTP_LOST = {
    "short": "it is shorter than any TFTP packet",
    "oversize": "it is a request of more than 512 octets",
    "opcode": "it is not a request",
    "text": "it holds no file name and mode",
    "filename": "its file name is empty",
    "mode": "its mode is not one of TFTP's modes",
}
TFTP_ODD = {"tail": "octets follow the file name, as when a boot ROM reads option 67 past its end: the file was sent"}
LLDP_LOST = {
    "short": "it is shorter than an Ethernet frame",
    "ethertype": "it is not LLDP",
    "oversize": "it is longer than 1500 octets",
    "chassis_id": "it has no chassis id that can be read",
    "port_id": "it has no port id that can be read",
}
OTHER = "it cannot be read"


def lost(protocol: str, code: str) -> str:
    """Why a packet of `dhcp`, `tftp` or `lldp` got no answer."""
    return {"dhcp": DHCP_LOST, "tftp": TFTP_LOST, "lldp": LLDP_LOST}.get(protocol, {}).get(code, OTHER)


def odd(protocol: str, code: str) -> str:
    """What is odd about a field, behind its name."""
    return {"dhcp": DHCP_ODD, "tftp": TFTP_ODD}.get(protocol, {}).get(code, "cannot be read")
