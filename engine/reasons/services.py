"""Why the engine cannot serve the rack now: its interface, and the ports on it."""

from __future__ import annotations

from .kind import Who, kind

interface_gone = kind(
    "interface_gone",
    "this machine has no interface {interface} any more, so the engine serves nobody on it",
    "plug the card in or make the interface again (ip link); the engine serves it again by itself",
    who=Who.OPERATOR,
)
interface_down = kind(
    "interface_down",
    "the interface {interface} is down, so the engine serves nobody on it",
    "switch it on (ip link set {interface} up); the engine serves it again by itself",
    who=Who.OPERATOR,
)
interface_no_address = kind(
    "interface_no_address",
    "this machine no longer has the address {address}, so no machine of the rack can load anything",
    "give it the address again (ip address add); the engine serves it again by itself",
    who=Who.OPERATOR,
)
interface_no_link = kind(
    "interface_no_link",
    "the interface {interface} has no link, so no machine of the rack reaches the engine",
    "check its cable and the switch",
    who=Who.TECHNICIAN,
)
interface_not_served = kind(
    "interface_not_served",
    "the interface {interface} is there again, and the engine cannot serve it: {message}",
    "remove the cause; the engine tries again by itself",
    who=Who.OPERATOR,
)
api_off = kind(
    "api_off",
    "the engine offers no HTTP API",
    "to offer one, start the engine with --api ADDRESS:PORT (docs/api.md)",
    who=Who.OPERATOR,
)
api_waits = kind(
    "api_waits",
    "the HTTP API on {address} waits for the first plan, which says whether the address is in the admin network",
    "commit a plan",
    who=Who.OPERATOR,
)
flood = kind(
    "flood",
    "{source} sent more {what} than a stranger may: {count} were dropped, the last of {who}{where}",
    "find the machine that sends them (the switch knows the port of its MAC) and unplug it; known machines are served meanwhile",
    who=Who.TECHNICIAN,
)
