"""Boot scripts: what a loader gets that asks for one. Pure.

* A script goes only to the address that the MAC leased. Any other address gets a refusal, which the node shows.
* One boot has one nonce. Whoever asks again gets the same script, so nobody can take a boot from its machine by asking last; the node shows
  that somebody asked again.
* Attribute `disk-boot` says how a machine continues to its own disk if its firmware boots from the network first. A rule of the plan sets
  it for a product, an operator for one machine. Without it the loader chooses by its platform (`quirks.DISK_BOOT`).
* A request that no open boot expects is a rumour (`rumour`). It gets the script that the machine needs if it really boots.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import Answer, BootScript, Refuse
from ...events import ScriptAsked
from ...model import Kind, Mac, Node, Sighting, Signal
from ...quirks import DISK_BOOT
from ...reasons import Reason
from ..roles.attributes import of_node
from ..roles.stages import DISCOVERY, over_network
from ..world.view import View
from ..world.work import Work
from . import loaders, rumour, strangers
from .ban import is_banned
from .boot import node_signal, sighting_signal


def asked(w: Work, event: ScriptAsked) -> None:
    """Decides what a machine boots now, as it asks."""
    if is_banned(w, event.mac):
        w.order(_boot_script(event, "", ""))
        return
    refused = rumour.elsewhere(w, event.mac, event.address)
    if refused is not None:
        _show(w, event.mac, refused)
        w.order(Refuse(request=event.request, reason=refused))
        return
    node_id = w.macs.get(event.mac)
    if node_id is None:
        sighting = w.sightings.get(event.mac) or Sighting(mac=event.mac, kind="ipxe", first=w.at)
        if sighting.banned or not strangers.admit(w, event.mac):
            w.order(_boot_script(event, "", ""))
            return
        sighting = sighting_signal(w, replace(sighting, address=event.address), Signal.SCRIPT)
        nonce = (sighting.boot.nonce if sighting.boot is not None else "") or event.nonce
        if sighting.boot is not None:
            w.put_sighting(replace(sighting, boot=replace(sighting.boot, nonce=nonce)))
        w.order(_boot_script(event, "", DISCOVERY, nonce, image=loaders.discovery_image(w, event.mac)))
        return
    node = w.nodes[node_id]
    if node.kind is Kind.JOINED:
        _show(w, event.mac, reasons.joined_boots(node=node.name))
        w.order(_boot_script(event, node.id, ""))
        return
    if node.boot is None:
        _rumoured_script(w, node, event)
        return
    node = loaders.answered(w, node_signal(w, node, Signal.SCRIPT))
    if node.boot is None:  # it has just used up its tries
        w.order(_boot_script(event, node.id, DISCOVERY))
        return
    nonce = ""
    if over_network(w, node.boot.environment):
        nonce = node.boot.nonce or event.nonce
        again = reasons.script_again(mac=event.mac, address=event.address) if node.boot.nonce else node.notice
        w.put_node(node := replace(node, boot=replace(node.boot, nonce=nonce), boot_mac=event.mac, notice=again))
    w.order(_node_script(w, node, event, node.boot.environment if node.boot is not None else "", nonce))


def _rumoured_script(w: Work, node: Node, event: ScriptAsked) -> None:
    """No boot of this node is open, so the request proves nothing. The script is the one that the machine needs if it boots."""
    node = rumour.spoken(w, node, Signal.SCRIPT, event.mac, event.address)
    spoken, nonce = node.rumour, ""
    if spoken is not None and over_network(w, spoken.environment):
        nonce = spoken.nonce or event.nonce
        w.put_node(node := replace(node, rumour=replace(spoken, nonce=nonce)))
    w.order(_node_script(w, node, event, spoken.environment if spoken is not None else DISCOVERY, nonce))


def _node_script(w: Work, node: Node, event: ScriptAsked, environment: str, nonce: str) -> Answer:
    """`nonce`: of a script that boots the environment over the network; else it is on the disk."""
    quirk = _disk_boot(w, node) if not nonce else ""
    image = loaders.discovery_image(w, event.mac) if environment == DISCOVERY else ""
    return _boot_script(event, node.id, environment, nonce, quirk, image)


def _disk_boot(view: View, node: Node) -> str:
    """One of DISK_BOOT. Empty: the platform decides."""
    found = of_node(view, node, "disk-boot")
    return str(found) if found in DISK_BOOT else ""


def _show(w: Work, mac: Mac, reason: Reason) -> None:
    """Shows a refusal on the node that has this MAC, or on the sighting."""
    node, sighting = w.nodes.get(w.macs.get(mac, "")), w.sightings.get(mac)
    if node is not None:
        w.put_node(replace(node, notice=reason))
    elif sighting is not None:
        w.put_sighting(replace(sighting, reason=reason))


def _boot_script(event: ScriptAsked, node: str, environment: str, nonce: str = "", quirk: str = "", image: str = "") -> Answer:
    """Without a nonce the machine goes on to its own disk."""
    return BootScript(
        request=event.request, mac=event.mac, node=node, environment=environment, disk=not nonce, nonce=nonce, quirk=quirk, image=image
    )
