"""Nova's agent on a compute node, with libvirt. What it writes is read after the controller's file, if one node is both.

Nova plugs the ports of its servers into Open vSwitch's database. ovsdb-server makes its socket for root, with the mode 0750. A connection
needs the right to write. So the group nova gets it, after each start of ovsdb-server. A port of TCP would take commands of everybody on the
node.
"""

import grp
import os
import stat
from pathlib import Path
from typing import Any

from cloud import PORTS, Act, Check, File, Service, Site
from cloud_api import REGION, Fault, Keystone
from cloud_run import active, systemctl, with_systemd

CONF = "/etc/nova/nova-compute.conf.d/crowbar.conf"
STAYS = '[Service]\nEnvironment="LIBVIRTD_ARGS="\n'
"""Debian's libvirtd ends after 120 s without a client, and nova-compute may take longer than that to become one."""
SOCKET = Path("/run/openvswitch/db.sock")
SOCKET_MODE = 0o770


def service(site: Site) -> Service:
    return Service(
        files={
            CONF: File(_configuration(site), group="nova"),
            **site.daemon("nova-compute", "nova"),
            "/etc/systemd/system/libvirtd.service.d/crowbar.conf": File(STAYS, mode=0o644),
            "/etc/systemd/system/ovsdb-server.service.d/crowbar.conf": File(_after_start(), mode=0o644),
        },
        steps=[Act("Open vSwitch's socket", _open), Act("Nova knows the service", lambda: _known(site))],
        units=["libvirtd", "nova-compute"],
        checks=[
            Check("Nova may open Open vSwitch's socket", _is_open),
            Check("Nova and Placement know the node", lambda: _proof(site)),
        ],
    )


def _after_start() -> str:
    # A switch that Nova cannot open is better than none.
    return f"[Service]\nExecStartPost=-/usr/bin/chgrp nova {SOCKET}\nExecStartPost=-/usr/bin/chmod {SOCKET_MODE:o} {SOCKET}\n"


def _open() -> None:
    if shut():
        os.chown(SOCKET, -1, grp.getgrnam("nova").gr_gid)
        os.chmod(SOCKET, SOCKET_MODE)


def _is_open() -> None:
    wrong = shut()
    if wrong:
        raise Fault(wrong)


def shut(socket: Path = SOCKET, group: str = "nova") -> str:
    """Why the group cannot open the socket, or others can. Empty: it is as it must be. Raises Fault if there is no socket."""
    try:
        found = socket.stat()
    except OSError:
        raise Fault(f"{socket} is not there: does ovsdb-server run?") from None
    if not stat.S_ISSOCK(found.st_mode):
        raise Fault(f"{socket} is no socket")
    if (found.st_gid, stat.S_IMODE(found.st_mode)) == (grp.getgrnam(group).gr_gid, SOCKET_MODE):
        return ""
    return f"{socket} has the group {found.st_gid} and the mode {stat.S_IMODE(found.st_mode):o}: it must be {group}'s, with {SOCKET_MODE:o}"


def _known(site: Site) -> None:
    """A service enters itself into Nova when it starts. One that runs, and that Nova has deleted since, is started again."""
    if with_systemd() and active("nova-compute") and not _services(site):
        systemctl("restart", "nova-compute")


def _services(site: Site) -> list[Any]:
    """As Nova lists them: this node's, or none."""
    nova = f"http://{site.one('cloud/nova')}:{PORTS['nova']}/v2.1"
    keystone = Keystone(site.keystone_url(), site("nova-password"), "nova", "service")
    found: list[Any] = keystone.call("GET", f"{nova}/os-services?binary=nova-compute&host={site.name}")["services"]
    return found


def virt_type(wanted: str, kvm: Path = Path("/dev/kvm")) -> str:
    """What libvirt shall use."""
    if wanted == "auto":
        return "kvm" if kvm.exists() else "qemu"
    if wanted == "kvm" and not kvm.exists():
        raise Fault("nova-virt-type is kvm, and the node has no /dev/kvm: turn virtualization on in its BIOS, or use auto or qemu")
    return wanted


def _configuration(site: Site) -> dict[str, dict[str, object]]:
    password = site("nova-password")
    account = site.account("nova", password)
    virt = virt_type(site("nova-virt-type"))
    return {
        "DEFAULT": {
            "transport_url": site.messages(),
            "my_ip": site.address,
            "host": site.name,
            "compute_driver": "libvirt.LibvirtDriver",
            "cpu_allocation_ratio": float(site("nova-cpu-overcommit")),
            "ram_allocation_ratio": float(site("nova-memory-overcommit")),
        },
        "keystone_authtoken": site.authtoken("nova", password),
        "service_user": {**account, "send_service_user_token": True},
        "glance": {"region_name": REGION, "valid_interfaces": "internal"},
        "placement": account,
        "neutron": account,
        "cinder": {**account, "os_region_name": REGION, "catalog_info": "volumev3::internalURL"},
        "os_vif_ovs": {"ovsdb_connection": f"unix:{SOCKET}"},
        "libvirt": {"virt_type": virt, "cpu_mode": "host-model" if virt == "kvm" else "none"},
        "vnc": {"enabled": False},
        "spice": {"enabled": False},
    }


def _proof(site: Site) -> None:
    """The node's agent reports, and Placement has its processors with the ratio of this file."""
    nova = f"http://{site.one('cloud/nova')}:{PORTS['nova']}/v2.1"
    keystone = Keystone(site.keystone_url(), site("nova-password"), "nova", "service")
    if [one["state"] for one in _services(site)] != ["up"]:
        raise Fault(f"nova-compute of {site.name} does not report to Nova")
    known = keystone.call("GET", f"{nova}/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.53"})["hypervisors"]
    mine = [one["id"] for one in known if one["service"]["host"] == site.name]
    if not mine:
        raise Fault(f"Nova has no hypervisor {site.name} yet")
    placement = f"http://{site.one('cloud/placement')}:{PORTS['placement']}"
    inventories = keystone.call("GET", f"{placement}/resource_providers/{mine[0]}/inventories")["inventories"]
    ratio = inventories.get("VCPU", {}).get("allocation_ratio")
    if ratio != float(site("nova-cpu-overcommit")):
        raise Fault(f"Placement has {ratio} virtual processors for each one of {site.name}, not {site('nova-cpu-overcommit')}")
