"""Why a machine gets no address, or not the one it asked for."""

from __future__ import annotations

from .kind import Who, kind

no_pool = kind(
    "no_pool",
    "no network with a dhcp range is served on {interface}",
    "give a network of that interface a dhcp range",
    who=Who.AUTHOR,
)
no_network = kind(
    "no_network",
    "{mac} needs an address in the subnet of {subnet} ({by}), and no network of the plan with a dhcp range has that subnet",
    "add a network with that subnet and a dhcp range to the plan, or correct the relay",
    who=Who.AUTHOR,
)
stranger = kind(
    "stranger",
    "{mac} ({kind}) is not booting from the network, so it gets no address",
    "to give such machines addresses, set strangers: lease in the network",
    who=Who.AUTHOR,
)
proxy_only = kind(
    "proxy_only",
    "{mac} gets its address from another DHCP server; with dhcp: proxy the engine answers boot ROMs only",
    who=Who.WAIT,
)
pool_empty = kind(
    "pool_empty",
    "the {range} range of network {network} has no free address ({size} addresses)",
    "widen the range in the plan",
    who=Who.AUTHOR,
)
address_moved = kind(
    "address_moved",
    "{mac} uses the address {address} already, so node {node} gets {instead}",
    "find that machine, and take its address away or keep it out of the plan's ranges",
    who=Who.TECHNICIAN,
)
address_shared = kind(
    "address_shared",
    "{mac} uses the address {address} too, which is node {node}'s",
    "find that machine and take its address away",
    who=Who.TECHNICIAN,
)
no_conduit = kind(
    "no_conduit",
    "node {node} has no ports for the links {conduit}; it has {nics}",
    "correct the conduit in the plan, or plug the cable in and discover the node again: crowbar node {node} reset",
    who=Who.AUTHOR,
)
conduit_taken = kind(
    "conduit_taken",
    "port {nic} of node {node} would be a link of {conduit}, and it is {other} already",
    "correct the conduits or the cables in the plan, so that no port is two links",
    who=Who.AUTHOR,
)
other_server = kind("other_server", "{mac} chose the DHCP server {server}", "find and stop that server", who=Who.TECHNICIAN)
wrong_address = kind("wrong_address", "{mac} asked for {address}, which is not its lease", who=Who.ENGINE)
declined = kind(
    "declined",
    "{mac} found that another machine uses {address}",
    "find the other machine that uses this address",
    who=Who.TECHNICIAN,
)
declines_again = kind(
    "declines_again",
    "{mac} declined {address} after {count} others within {seconds:g} s, so its word is not believed and the address stays in the pool",
    "find the machine: either something answers ARP for every address of the network, or it takes the addresses on purpose",
    who=Who.TECHNICIAN,
)
works_there = kind(
    "works_there",
    "{mac} gives {address} back, but node {node} works there, so the engine does not believe it",
    "if the node goes on, find the machine that sends in its name",
    who=Who.TECHNICIAN,
)
unknown_lease = kind("unknown_lease", "{mac} renews {address}, which this engine did not lease", who=Who.ENGINE)
too_many = kind(
    "too_many",
    "{what} {count} is over the limit of {limit}",
    "find out what causes so many, or raise the limit in the plan",
    who=Who.OPERATOR,
)
