"""The rack's network: the `ip` commands that make it, in the rack's own namespace and in the engine's, and what the switches' ports let
through, as rules of nft. Pure.

    engine's namespace                   rack's namespace
    crowbar0 (admin address)   <-veth->  tor1-up --+ bridge tor1 -- m1-1g0, m2-1g0, ... (taps)
                                                   |
                                         tor1-tor2 == tor2-tor1  (when the switches are joined)
                                                   |
                                                   + bridge tor2 -- m1-1g1, m2-1g1, ... (taps)
    crowbar1                   <-veth->  mgmt0 (the addresses of the BMCs)

The bridges swallow LLDP as real switches do (01:80:c2:00:00:0e is not forwarded, IEEE 802.1Q table 8-1) and speak it themselves on each
port (`speaker`), so that a machine hears its switch and not its neighbours.

Both ports of a port channel lead to one machine, so a frame that came in at one of them never goes out at the other, and what goes to all
machines leaves at the first one only. Otherwise the machine would get its own broadcasts back, and everybody's twice.

Trap: an interface's name has at most 15 characters.
"""

from __future__ import annotations

from .spec import Guest, Ports, QemuRackSpec, faults_of, guests, ports_of, wiring

LARGEST = 9216
"""Octets of the largest packet that passes the switches."""
OUTER, OUTER_BMC = "crowbar0", "crowbar1"
UP, MGMT = "tor1-up", "mgmt0"
SWITCHES = ("tor1", "tor2")
UPLINK_PORT = "swp-up"
Command = tuple[str, ...]


def moved(rack: int) -> list[Command]:
    """In the engine's namespace: the veth pairs, with their far ends moved to process `rack`. Runs first."""
    out: list[Command] = [("link", "set", "lo", "up")]
    for near, far in ((OUTER, UP), (OUTER_BMC, MGMT)):
        out.append(("link", "add", near, "type", "veth", "peer", "name", far))
        out.append(("link", "set", far, "netns", str(rack)))
    return out


def inner(spec: QemuRackSpec) -> list[Command]:
    """In the rack's namespace: switches, taps, the BMCs' addresses. Needs the result of `moved`."""
    out: list[Command] = [("link", "set", "lo", "up")]
    for switch in SWITCHES:
        out.append(("link", "add", switch, "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"))
        out.append(("link", "set", switch, "up"))
    out += _plugged(UP, "tor1")
    if spec.uplink:
        out.append(("link", "add", "tor1-tor2", "type", "veth", "peer", "name", "tor2-tor1"))
        out += _plugged("tor1-tor2", "tor1") + _plugged("tor2-tor1", "tor2")
    for guest in guests(spec):
        for nic, (switch, _) in zip(guest.nics, wiring(guest, faults_of(spec, guest.name)), strict=True):
            out.append(("tuntap", "add", "dev", nic.tap, "mode", "tap", "vnet_hdr"))
            out += _plugged(nic.tap, switch or nic.switch)
        out.append(("address", "add", f"{guest.bmc_address}/32", "dev", MGMT))
    out.append(("link", "set", MGMT, "up"))
    out.append(("route", "add", f"{spec.admin}/32", "dev", MGMT))
    return out


def outer(spec: QemuRackSpec, prefix: int) -> list[Command]:
    """In the engine's namespace, after `inner`: the admin address and the route to the BMCs."""
    out: list[Command] = [
        ("address", "add", f"{spec.admin}/{prefix}", "brd", "+", "dev", OUTER),
        ("link", "set", OUTER, "up"),
        ("link", "set", OUTER_BMC, "up"),
    ]
    for subnet in dict.fromkeys(subnet for name, subnet in spec.networks.items() if name == "bmc"):
        out.append(("route", "add", subnet, "dev", OUTER_BMC, "src", spec.admin))
    return out


def ports(spec: QemuRackSpec) -> dict[str, tuple[str, str]]:
    """Interface of the rack's namespace -> switch and port that speak LLDP on it."""
    out = {UP: ("tor1", UPLINK_PORT)}
    for guest in guests(spec):
        out |= {nic.tap: port for nic, port in zip(guest.nics, wiring(guest, faults_of(spec, guest.name)), strict=True)}
    return {interface: port for interface, port in out.items() if port[0]}


def moved_to(interface: str, switch: str) -> Command:
    """Moves the cable of a running rack to another switch."""
    return ("link", "set", interface, "master", switch)


def rules(spec: QemuRackSpec, ports: dict[str, Ports], lossy: dict[str, dict[str, float]] | None = None) -> str:
    """What the switches do not forward, as input of `nft -f -`. It replaces what was there. Empty: nothing was ever said about any port, so
    that a rack without such needs no nft. `ports`: machine -> its ports; `lossy`: machine -> link -> percent of frames that are lost."""
    lossy = lossy or {}
    lines = [line for guest in guests(spec) for line in _loss(guest, lossy.get(guest.name, {}))]
    lines += [line for guest in guests(spec) for line in _rules(guest, ports.get(guest.name, Ports()))]
    if not lines and not ports and not lossy:
        return ""
    table = "table bridge crowbar"
    head = "type filter hook forward priority 0; policy accept;"
    return "\n".join((table, f"delete {table}", f"{table} {{", "chain forward {", head, *lines, "}", "}", ""))


def ports_as_built(spec: QemuRackSpec) -> dict[str, Ports]:
    """Machine -> its ports, of those that are not as delivered."""
    found = {guest.name: ports_of(spec, guest.name) for guest in guests(spec)}
    return {name: ports for name, ports in found.items() if ports != Ports()}


def channels(spec: QemuRackSpec, ports: dict[str, Ports]) -> dict[str, tuple[int, int]]:
    """Interface -> key of its port channel and number of its port, where the switches speak LACP."""
    return {
        nic.tap: (guest.number, 2 * guest.number + i)
        for guest in guests(spec)
        if ports.get(guest.name, Ports()).channel
        for i, nic in enumerate(guest.nics)
    }


def _loss(guest: Guest, lossy: dict[str, float]) -> list[str]:
    lost = {nic.tap: round(lossy.get(nic.link, 0.0) * 100) for nic in guest.nics}
    return [f'{way} "{tap}" numgen random mod 10000 < {n} drop' for tap, n in lost.items() if n for way in ("iifname", "oifname")]


def _rules(guest: Guest, ports: Ports) -> list[str]:
    taps = [nic.tap for nic in guest.nics]
    out = []
    if ports.vlans is not None:
        others = f"vlan id != {{ {', '.join(map(str, ports.vlans))} }}" if ports.vlans else "vlan id 0-4095"
        out += [f'{way} "{tap}" ether type 8021q {others} drop' for tap in taps for way in ("iifname", "oifname")]
    if ports.mtu:
        # `meta length` is without the Ethernet header, and without a VLAN tag, which the kernel keeps beside the packet.
        out += [f'{way} "{tap}" meta length > {ports.mtu} drop' for tap in taps for way in ("iifname", "oifname")]
    if ports.channel:
        own = ", ".join(nic.mac for nic in guest.nics)
        out += [f'oifname "{tap}" ether saddr {{ {own} }} drop' for tap in taps]
        out += [f'oifname "{tap}" ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop' for tap in taps[1:]]
    return out


def _plugged(interface: str, switch: str) -> list[Command]:
    return [("link", "set", interface, "mtu", str(LARGEST), "master", switch), ("link", "set", interface, "up")]
