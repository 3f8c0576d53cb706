"""Why the engine does not do what would cut its own path to the rack."""

from __future__ import annotations

from .kind import Who, kind

own_machine = kind(
    "own_machine",
    "{node} is the machine on which this engine runs ({shown}): {what} would end the engine",
    "run the engine on another admin node first (crowbar engine hand-over); if it is another machine, compare the two",
    who=Who.OPERATOR,
)
own_switch = kind(
    "own_switch",
    "this engine reaches the rack by its port {interface} in {port} of {node}: {what} would cut its own path",
    "move the cable of {interface} to another switch first; crowbar topology shows where it ends",
    who=Who.OPERATOR,
)
own_router = kind(
    "own_router",
    "this engine reaches the network {network} through {node}: {what} would cut its own path",
    "give the network {network} another router in the plan first, or this machine an address in it",
    who=Who.OPERATOR,
)
own_address = kind(
    "own_address",
    "the plan gives the admin node the address {address}, which this machine does not have on {interface} or another port",
    "give this machine the address first, or correct site.admin.address in the plan",
    who=Who.AUTHOR,
)
own_network = kind(
    "own_network",
    "with this plan the admin network {network} ({subnet}) does not hold this engine's address {address}: it would lose the rack",
    "give this machine an address in the new subnet first, or correct the subnet in the plan",
    who=Who.AUTHOR,
)
own_port = kind(
    "own_port",
    "the plan wants {link} of {node} ({rack} unit {unit}) in {cable}, and this engine's own {interface} is plugged in there",
    "give {node} another port in the plan, or move the cable of {interface} first",
    who=Who.AUTHOR,
)
