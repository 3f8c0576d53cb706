"""What `network-NAME` does to a simulated machine: the files of its networks, and the faults that a frame to another node finds.

The sentences are those of the real scripts (`roles/network/reach`), so that a scenario teaches what a real rack says.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

APPLY_S = 2.0
FOLDER = "/etc/network/interfaces.d/"


async def network(machine: Machine, task: Task) -> Result:
    system, wanted = machine.system, task.get("network") or {}
    if system is None:
        return Result(exit=2, message="no system is installed")
    try:
        files = _files(wanted)
    except (KeyError, TypeError, ValueError) as wrong:
        return Result(exit=2, message=f"the network is not described: {wrong}")
    await task.work(APPLY_S)
    if task.action == "verify":
        for path, text in files.items():
            if system.files.get(path) != text:
                return Result(exit=1, message=f"{path} does not say what network {wanted['name']} is")
        fault = _fault(machine, wanted, task.get("network-targets") or [])
        if fault:
            return Result(exit=1, message=fault)
    else:
        system.files.update(files)
        machine.save()
        for path in files:
            task.print(f"network: wrote {path}")
    return Result(gives={"addresses": _addresses(wanted)})


def _addresses(wanted: dict[str, Any]) -> list[str]:
    out = [str(IPv4Interface(f"{wanted['address']}/{wanted['mask']}"))]
    if v6 := wanted.get("v6"):
        out.append(str(IPv6Interface(f"{v6['address']}/{v6['prefix']}")))
    return out


def _files(wanted: dict[str, Any]) -> dict[str, str]:
    """Path -> text: what carries the network, a file each, and the network with its addresses and routers."""
    name, bond, vlan, bridge = str(wanted["name"]), wanted.get("bond"), wanted.get("vlan") or 0, wanted.get("bridge") or ""
    links = [str(link["mac"]) for link in wanted.get("links") or ()]
    files: dict[str, str] = {}
    here = links[0] if links else "port"
    if bond:
        here = str(bond["name"])
        files[f"{FOLDER}{here}"] = (
            f"bond {' '.join(links)}\nmode {bond['mode']}\nhash {bond.get('hash') or ''}\nmiimon {bond.get('miimon')}\n"
            + (f"lacp-rate {bond['lacp-rate']}\n" if "lacp-rate" in bond else "")
        )
    if vlan:
        files[f"{FOLDER}{here}.{vlan}"] = f"vlan {vlan}\nraw-device {here}\n"
        here = f"{here}.{vlan}"
    if bridge:
        files[f"{FOLDER}{bridge}"] = f"bridge {here}\n"
        here = bridge
    lines = [f"interface {here}", *(f"address {address}" for address in _addresses(wanted)), f"mtu {wanted.get('mtu') or 'as it is'}"]
    routers = (wanted.get("router"), (wanted.get("v6") or {}).get("router"))
    lines += [f"gateway {router} metric {wanted.get('preference') or 0}" for router in routers if router]
    files[f"{FOLDER}network-{name}"] = "\n".join(lines) + "\n"
    return files


def _fault(machine: Machine, wanted: dict[str, Any], targets: list[dict[str, Any]]) -> str:
    """What a frame to another node of the network finds. Empty: everything passes."""
    faults, bond, vlan, mtu = machine.faults, wanted.get("bond"), wanted.get("vlan") or 0, wanted.get("mtu") or 0
    where = _where((wanted.get("links") or [{}])[0])
    if bond and bond["mode"] == "802.3ad" and faults.no_lacp:
        return (
            f"{where} does not speak LACP, which {bond['name']} needs: put the port into an LACP group on the switch, "
            "or set the mode active-backup"
        )
    for link in wanted.get("links") or () if vlan else ():
        carried = machine.carried(str(link.get("switch") or ""), str(link.get("port") or ""))
        if carried is not None and vlan not in carried:
            return f"{_where(link)} does not carry VLAN {vlan}: the switch has not got it yet"
    if not targets:
        return ""
    if vlan and vlan == faults.no_vlan:
        count = len(targets)
        they = f"none of the {count} nodes on network {wanted['name']} answers"
        if count == 1:
            they = f"{targets[0]['node']}, the only other node on network {wanted['name']}, does not answer"
        return f"{where} does not carry VLAN {vlan}: {they}, and untagged frames pass. Add the VLAN to the port, or correct the plan"
    size = min(mtu, targets[0].get("mtu") or mtu)
    if size > 1500 and 0 < faults.frame_most < size:
        return (
            f"{where} does not pass frames of {size} octets: {targets[0]['node']} answers only small ones. "
            f"Raise the MTU of the switch's ports, or lower that of {wanted['name']}"
        )
    return ""


def _where(link: dict[str, Any]) -> str:
    switch, port, cable = (str(link.get(key) or "") for key in ("switch", "port", "link"))
    return f"port {switch}:{port} (cable {cable})" if port else f"the switch port (cable {cable or '-'})"


ROLES: dict[str, Behaviour] = {"network": network}
