"""DHCP: which client gets which address and which loader (RFC 2131, 2132, 4578).

Pure: a request and the world give a reply, or a reason why there is none. The lease is in the world, and so in the store, before the
reply leaves.

Rules
* Authoritative: a client that asks for an address that it cannot have gets a NAK at once, so that it starts over.
* The engine serves machines that boot from the network, known nodes, BMCs and switches. It serves strangers only if the network says so.
* Only a boot ROM or iPXE learns what to load, by its architecture (RFC 4578 section 2.1).
* A stranger's lease is short (STRANGER), so that invented machines give the pool back soon. Once the machine is a node, it is a node's.
* The search for an address starts at the hash of the MAC, so that a machine tends to get the same address even after its lease was lost.
* `subnets` decides which network a client is in.

Trap: a lease runs in engine time, which stands still while the engine is down. So an address is never given away earlier than its holder
believes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from zlib import crc32

from msgspec.structs import replace

from ... import reasons
from ...definitions import Json
from ...effects import Ignore, SendDhcp
from ...events import DhcpAsked, DhcpOverheard
from ...model import Kind, Lease, Loader, Mac, Node, Sighting, Signal
from ...plan import Network, Plan, Range
from ...quirks import DHCP_CLASSES
from ...reasons import Reason
from ...wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, reply_to
from ...wire.dhcp_options import address_octets, relay_port
from ..roles.dns_records import name_servers
from ..world.view import View
from ..world.work import Work
from . import loaders, strangers
from .boot import failed, may_cycle, node_signal, order_boot, restarted, sighting_signal
from .patience import deadline_s
from .proxy import as_proxy, is_proxy, not_ours, overhear, wants_answer
from .rumour import spoken
from .signals import believed
from .subnets import nowhere, server_id, serving, span

LEASE = 3600
"""Seconds of a known machine's lease: longer than any boot, so that sledgehammer keeps its address until the next one."""
STRANGER = 600
"""Seconds of a stranger's lease. A machine that boots asks again sooner: its ROM, its loader and its kernel each ask for an address. So a
pool that invented machines filled is free again after ten minutes."""
OFFER = 60
"""Seconds for which an offered address is reserved."""
FRESH = 8
"""Seconds for which an offer to a stranger stays reserved even if the pool has nothing else. Firmware collects offers for four seconds."""
DECLINED = 300
"""Seconds for which an address stays out of the pool after a client found that another machine uses it. If it still does, the next client
finds that too."""
DECLINES = 3
"""Addresses that one client may take out of the pool in that time."""
NO_PROXY = "b00101"
"""Option 175.176 of iPXE: do not wait for a proxy's offer."""


def dhcp(w: Work, event: DhcpAsked) -> None:
    """Answers a DHCP message, or gives the reason for no answer."""
    request = event.request
    network = serving(w, request)
    if network is None:
        w.order(Ignore(mac=request.mac, reason=nowhere(w, event)))
        return
    node_id = w.macs.get(request.mac)
    kind = classify(w, request, node_id is not None)
    proxied = is_proxy(network)
    if proxied and kind not in ("boot-rom", "ipxe"):
        w.order(not_ours(event))
        return
    if kind == "stranger" and network.strangers != "lease":
        w.order(Ignore(mac=request.mac, reason=reasons.stranger(mac=request.mac, kind=request.vendor_class or "no vendor class")))
        return
    noted = kind in ("boot-rom", "ipxe", "bmc", "switch")
    if noted:  # before it gets anything
        refused = _unwelcome(w, request.mac, node_id)
        if refused is not None:
            w.order(Ignore(mac=request.mac, reason=refused))
            return
    if proxied:
        _beside(w, event, network, kind)
        return
    outcome = _address(w, request, network)
    if outcome is None:
        return
    if isinstance(outcome, Reason):
        if request.kind is DhcpKind.REQUEST and outcome.code in ("wrong_address", "unknown_lease"):
            w.order(SendDhcp(reply=_nak(w, request), interface=event.interface))
        w.order(Ignore(mac=request.mac, reason=outcome))
        return
    boots = kind in ("boot-rom", "ipxe")
    if noted:
        note(w, request, kind, outcome)
    w.order(SendDhcp(reply=_reply(w, request, network, outcome, kind if boots else ""), interface=event.interface))


def _address(w: Work, request: DhcpRequest, network: Network) -> str | Reason | None:
    """The address of the answer, or why there is none. None: nothing is answered, and nothing is wrong."""
    match request.kind:
        case DhcpKind.DISCOVER:
            return _offer(w, request, network)
        case DhcpKind.REQUEST:
            return _request(w, request, network)
        case DhcpKind.INFORM:
            return request.ciaddr
        case DhcpKind.DECLINE:
            return _decline(w, request)
        case DhcpKind.RELEASE:
            lease = w.leases.get(request.ciaddr)
            if lease is not None and lease.mac == request.mac:
                works = _works_there(w, lease)
                if works is not None:
                    return works
                w.drop("leases", lease.address)
    return None


def _works_there(w: Work, lease: Lease) -> Reason | None:
    """Why the engine does not believe that a machine gives its address up: the node with that MAC works there, as it said with its token.
    Whoever knows its MAC can send this packet. The lease ends by itself if it was the node after all."""
    node = w.nodes.get(w.macs.get(lease.mac, ""))
    if node is None or not node.alive or node.address != lease.address:
        return None
    return reasons.works_there(mac=lease.mac, address=lease.address, node=node.name)


def _beside(w: Work, event: DhcpAsked, network: Network, kind: str) -> None:
    """Answers as a proxy: another server leases the addresses here."""
    request = event.request
    overhear(w, request, network, LEASE)
    if wants_answer(event):
        note(w, request, kind, request.ciaddr, proxy=True)
        w.order(as_proxy(event, _reply(w, request, network, "", kind)))


def _within(pool: Range, address: str) -> bool:
    return address_octets(pool.first) <= address_octets(address) <= address_octets(pool.last)


def classify(view: View, request: DhcpRequest, known: bool) -> str:
    """Class of a DHCP client (`model.Sighting.kind`)."""
    vendor = request.vendor_class
    if "iPXE" in request.user_class:
        return "ipxe"
    if vendor.startswith(("PXEClient", "HTTPClient")):
        return "boot-rom"
    lower = vendor.lower()
    named = next((kind for kind, quirk in DHCP_CLASSES.items() if any(word in lower for word in quirk.value)), "")
    if named:
        return named
    sighting: Sighting | None = view.sightings.get(request.mac)
    if known or (sighting is not None and sighting.kind in ("boot-rom", "ipxe")):
        # Its kernel asks like any host, and on the first boot the machine is not a node yet.
        return "sledgehammer"
    return "stranger"


def overheard(event: DhcpOverheard) -> Reason:
    """Another server answers here: records that, and does nothing else."""
    return reasons.other_server(mac=event.client, server=event.server)


# -- addresses -----------------------------------------------------------------------------------------------------


def _offer(w: Work, request: DhcpRequest, network: Network) -> str | Reason:
    """RFC 2131 section 4.3.1: the address that the client has, the one it asks for if free, or one of the pool."""
    pool = network.ranges["dhcp"]
    have: str | None = w.lease_of.get(request.mac)
    if have is not None and _within(pool, have):
        lease = w.leases[have]
        if lease.state == "bound" or lease.expires > w.now + OFFER / 2:
            return have
        w.put_lease(replace(lease, expires=w.now + OFFER))
        return have
    address: str | None = request.requested
    if not address or not _within(pool, address) or not _free(w, address, request.mac):
        address = _from_pool(w, request.mac, network)
    if address is None:
        return reasons.pool_empty(range="dhcp", network=network.name, size=len(pool))
    w.put_lease(Lease(address=address, mac=request.mac, network=network.name, state="offered", expires=w.now + OFFER))
    return address


def _request(w: Work, request: DhcpRequest, network: Network) -> str | Reason:
    """RFC 2131 section 4.3.2: selecting (server id), init-reboot (requested address), renewing and rebinding (ciaddr)."""
    plan: Plan = w.plan  # type: ignore[assignment]  # `serving` found a network in it
    wanted = request.requested or request.ciaddr
    if request.server_id and request.server_id not in (plan.site.admin.address, request.override):
        have = w.lease_of.get(request.mac)
        if have is not None and w.leases[have].state == "offered":
            w.drop("leases", have)
        chosen = reasons.other_server(mac=request.mac, server=request.server_id)
        _lured(w, request, chosen)
        return chosen
    if not wanted or not _within(network.ranges["dhcp"], wanted):
        return reasons.wrong_address(mac=request.mac, address=wanted or "nothing")
    lease = w.leases.get(wanted)
    theirs = lease is not None and lease.mac == request.mac and lease.state != "declined"
    # If the store was made anew under a running rack, the holder of a free address of ours may keep it.
    if not theirs and (request.server_id or not _free(w, wanted, request.mac)):
        return reasons.wrong_address(mac=request.mac, address=wanted)
    mine = w.leases.get(w.lease_of.get(request.mac, ""))
    if mine is not None and mine.address != wanted and _works_there(w, mine) is not None:
        return reasons.wrong_address(mac=request.mac, address=wanted)
    expires = w.now + _seconds(w, request.mac, wanted)
    w.put_lease(Lease(address=wanted, mac=request.mac, network=network.name, state="bound", expires=expires))
    return wanted


def _seconds(view: View, mac: Mac, address: str) -> int:
    """How long a lease of this address to this client lasts."""
    if strangers.is_known(view, mac, address):
        return LEASE
    return max(STRANGER, round(deadline_s(view, STRANGER)))


def kept(w: Work, macs: Iterable[Mac]) -> None:
    """These MACs are a node's from now on. Its addresses are reserved for as long as a node's; the machine renews what it was told."""
    for mac in macs:
        lease = w.leases.get(w.lease_of.get(mac, ""))
        if lease is not None and lease.state == "bound":
            w.put_lease(replace(lease, expires=max(lease.expires, w.now + LEASE)))


def _lured(w: Work, request: DhcpRequest, chosen: Reason) -> None:
    """Records on the boot that the machine took another server's offer: this is the reason if it does not come."""
    node = w.nodes.get(w.macs.get(request.mac, ""))
    sighting = w.sightings.get(request.mac)
    if node is not None:
        w.put_node(replace(node, notice=chosen, boot=failed(node.boot, chosen)))
    elif sighting is not None and not sighting.node:
        w.put_sighting(replace(sighting, boot=failed(sighting.boot, chosen), last=w.at))


def _decline(w: Work, request: DhcpRequest) -> Reason:
    lease = w.leases.get(request.requested)
    if lease is None or lease.mac != request.mac or lease.state == "declined":
        return reasons.declined(mac=request.mac, address=request.requested or "nothing")
    works = _works_there(w, lease)
    if works is not None:
        return works
    before = [a for a in w.declined_by.get(request.mac) or () if w.leases[a].expires > w.now]
    if len(before) >= DECLINES:
        w.drop("leases", lease.address)
        return reasons.declines_again(mac=request.mac, address=lease.address, count=len(before), seconds=DECLINED)
    w.put_lease(replace(lease, state="declined", expires=w.now + DECLINED))
    return reasons.declined(mac=request.mac, address=request.requested)


def _free(w: Work, address: str, mac: str) -> bool:
    lease = w.leases.get(address)
    if address in w.allocations:
        return False
    if lease is None or lease.expires <= w.now:
        return True
    return lease.mac == mac and lease.state != "declined"


def _from_pool(w: Work, mac: str, network: Network) -> str | None:
    """An address that nobody ever had, one whose lease ran out, or the last resort. The search starts at the hash of the MAC, so that it
    tends to be the same. A full pool is searched once, and then not before one of its leases ends or is given back: a flood of requests
    costs one scan.

    The last resort are addresses that nobody holds: the oldest offer to a stranger, then the oldest declined address. So neither a flood
    of requests nor one of refusals takes the pool away."""
    if w.full.get(network.name, 0.0) > w.now:
        return None
    pool = network.ranges["dhcp"]
    first, size = int.from_bytes(address_octets(pool.first), "big"), len(pool)
    start = crc32(mac.encode()) % size
    expired, ends = None, inf
    last: tuple[int, float, str] | None = None
    for i in range(size):
        number = first + (start + i) % size
        address = f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        if address in w.allocations:
            continue
        lease = w.leases.get(address)
        if lease is None:
            return address
        if expired is None and lease.expires <= w.now:
            expired = address
            if len(w.leases) >= size:
                break
        free_at = _last_resort(w, lease)
        if free_at <= w.now:
            last = min(last or (2, inf, ""), (int(lease.state == "declined"), lease.expires, address))
        ends = min(ends, free_at)
    if expired is None and last is None:
        w.full[network.name] = ends
    return expired or (last[2] if last is not None else None)


def _last_resort(w: Work, lease: Lease) -> float:
    """Engine time from which the address of a lease that has not ended may be given to another client, if there is no other."""
    if lease.state == "declined":
        return w.now
    if lease.state == "offered" and lease.mac not in w.macs:
        return lease.expires - OFFER + FRESH
    return lease.expires


# -- what is noted of the client, and what it is told --------------------------------------------------------------


def _unwelcome(w: Work, mac: str, node_id: str | None) -> Reason | None:
    """Why a machine is not served."""
    node = w.nodes.get(node_id) if node_id is not None else None
    if node is not None and node.kind is Kind.JOINED:
        return reasons.joined_boots(node=node.name)
    sighting = w.sightings.get(mac)
    if sighting is not None and sighting.banned:
        return reasons.banned(mac=mac)
    if sighting is None and node_id is None and not strangers.admit(w, mac):
        return reasons.too_many(what="the number of unknown machines,", count=len(w.strangers), limit=strangers.SIGHTINGS)
    return None


def note(w: Work, request: DhcpRequest, kind: str, address: str, proxy: bool = False) -> None:
    """Records the signal: on the node's boot, or on the sighting of a machine without identity."""
    loader = loaders.offer(w, request, proxy) if kind in ("boot-rom", "ipxe") else None
    node = w.nodes.get(w.macs.get(request.mac, ""))
    if node is not None:
        if loader is not None:
            _note_boot(w, node, request, kind, loader)
        return
    sighting = w.sightings.get(request.mac) or Sighting(mac=request.mac, kind=kind, first=w.at)
    if kind == "boot-rom" and sighting.boot is not None and loaders.came_back(w, sighting.boot, request):
        sighting = loaders.sighting_next(w, sighting, sighting.boot, back=True)
        loader = loaders.offer(w, request, proxy)
        sighting = replace(sighting, boot=restarted(w, sighting.boot), reason=_reset(sighting, loader) or sighting.reason)
    elif kind == "boot-rom" and sighting.boot is not None and w.now >= sighting.boot.deadline:
        sighting = replace(sighting, boot=restarted(w, sighting.boot))
    sighting = replace(
        sighting,
        kind=kind if sighting.kind != "boot-rom" else sighting.kind,
        uuid=request.uuid or sighting.uuid,
        arch=request.arch if request.arch is not None else sighting.arch,
        vendor=request.vendor_class[:64],
        address=address or sighting.address,
        last=w.at,
        last_sign=w.now,
        port=relay_port(request.relay) or sighting.port,
    )
    if kind == "boot-rom" or (kind == "ipxe" and sighting.boot is None):
        why = sighting.reason if sighting.loaders_failed else None
        sighting = replace(sighting_signal(w, sighting, Signal.DHCP), reason=why)
    if sighting.boot is not None and loader is not None:
        sighting = replace(sighting, boot=loaders.note(sighting.boot, loader))
    w.put_sighting(sighting)


def _reset(sighting: Sighting, loader: Loader) -> Reason | None:
    """The engine has no new loader for a machine without identity by this way. Nobody knows its power button, so the reason says
    what a person has to do."""
    if loader.file not in sighting.loaders_failed:
        return None
    found = sighting.reason
    following = str(found.fields.get("next", "")) if found is not None else ""
    return reasons.loader_reset(loader=loader.file, way=loader.way, next=following)


def _note_boot(w: Work, node: Node, request: DhcpRequest, kind: str, loader: Loader) -> None:
    if node.boot is None:
        lease = w.lease_of.get(request.mac, "")
        spoken(w, node, Signal.DHCP, request.mac, lease, relay_port(request.relay))
        return
    if node.boot_mac != request.mac:
        w.put_node(node := replace(node, boot_mac=request.mac))
    boot = node.boot
    if kind == "boot-rom" and boot is not None and loaders.came_back(w, boot, request):
        node = loaders.node_next(w, node, boot, back=True)
        loader = loaders.offer(w, request, loader.way == "proxy")
        if loader.file in node.loaders_failed and may_cycle(w, node, boot) and believed(w, Signal.DHCP):
            # There is no new loader for it by this way, and it tries each way only once. After a reset it starts again.
            order_boot(w, node, boot.environment, boot.way, tries=boot.tries + 1)
            return
        w.put_node(node := replace(node, boot=restarted(w, boot, believed(w, Signal.DHCP))))
    # iPXE's own DHCP belongs to the boot that the ROM's DHCP began, unless the ROM is iPXE.
    first = node.boot is not None and node.boot.signal in (Signal.OPENED, Signal.POWERED)
    if kind == "boot-rom" or first:
        node = node_signal(w, node, Signal.DHCP)
    if node.boot is not None and (kind == "boot-rom" or first):
        w.put_node(replace(node, boot=loaders.note(node.boot, loader)))


def _reply(w: Work, request: DhcpRequest, network: Network, address: str, boots: str) -> DhcpReply:
    plan: Plan = w.plan  # type: ignore[assignment]  # `serving` found a network in it
    ours = plan.site.admin.address
    extra: dict[str, Json] = {}
    if boots == "ipxe":
        extra["filename"] = f"http://{ours}/boot/script?mac={request.mac}"
        extra["siaddr"] = ours  # a program that iPXE chains, GRUB for one, asks there for its files
        extra["ipxe_options"] = "" if is_proxy(network) else NO_PROXY
    elif boots == "boot-rom":
        file = loaders.offer(w, request).file
        if request.vendor_class.startswith("HTTPClient"):
            extra["vendor_class"] = "HTTPClient"
            extra["filename"] = f"http://{ours}/image/loader/{file}"
        else:
            extra["vendor_class"] = "PXEClient"
            extra["filename"] = file
            extra["tftp_server"] = ours
            extra["vendor_options"] = "060108ff"  # PXE 2.1, 2.2.2: no boot server discovery, take the file of this reply
        extra["siaddr"] = ours
    return DhcpReply(
        to=reply_to(request),
        kind=DhcpKind.OFFER if request.kind is DhcpKind.DISCOVER else DhcpKind.ACK,
        yiaddr="" if request.kind is DhcpKind.INFORM else address,
        server_id=server_id(plan, request),
        lease_s=0 if request.kind is DhcpKind.INFORM else _seconds(w, request.mac, address),
        mask=span(network.subnet)[2],
        routers=(network.router,) if network.router else (),
        domain=plan.site.domain,
        dns=name_servers(w),
        uuid=request.uuid if boots else None,
        subnet=request.subnet if not request.link else "",
        **extra,
    )


def _nak(w: Work, request: DhcpRequest) -> DhcpReply:
    plan: Plan = w.plan  # type: ignore[assignment]  # `serving` found a network in it
    return DhcpReply(to=reply_to(request), kind=DhcpKind.NAK, server_id=server_id(plan, request))
