"""Nova's agent on a compute node, with libvirt. What it writes is read after the controller's file, if one node is both."""

from pathlib import Path

from cloud import PORTS, Check, File, Service, Site
from cloud_api import REGION, Fault, Keystone

CONF = "/etc/nova/nova-compute.conf.d/crowbar.conf"


def service(site: Site) -> Service:
    return Service(
        files={CONF: File(_configuration(site), group="nova"), **site.daemon("nova-compute", "nova")},
        units=["libvirtd", "nova-compute"],
        checks=[Check("Nova and Placement know the node", lambda: _proof(site))],
    )


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
        "libvirt": {"virt_type": virt, "cpu_mode": "host-model" if virt == "kvm" else "none"},
        "vnc": {"enabled": False},
        "spice": {"enabled": False},
    }


def _proof(site: Site) -> None:
    """The node's agent reports, and Placement has its processors with the ratio of this file."""
    nova = f"http://{site.one('cloud/nova')}:{PORTS['nova']}/v2.1"
    keystone = Keystone(site.keystone_url(), site("nova-password"), "nova", "service")
    found = keystone.call("GET", f"{nova}/os-services?binary=nova-compute&host={site.name}")["services"]
    if [one["state"] for one in found] != ["up"]:
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
