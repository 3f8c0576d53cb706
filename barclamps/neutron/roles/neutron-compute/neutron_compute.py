"""The network of a compute node: Open vSwitch, OVN's controller, and Neutron's agent that answers servers on 169.254.169.254."""

import json
import subprocess

from cloud import PORTS, Check, File, Service, Site, Step
from cloud_api import Fault, Keystone

AGENT = "neutron-ovn-metadata-agent"
CONF = f"/etc/neutron/{AGENT}.conf.d/crowbar.conf"
SB = 6642
EXTERNAL = "br-ex"
"""The bridge to the external network. It is there without a port, too: floating addresses then end on the node."""
UNITS = ("ovsdb-server", "ovs-vswitchd", "openvswitch-switch", "ovn-controller", "ovn-host", AGENT)


def service(site: Site) -> Service:
    port = site("neutron-external-port")
    return Service(
        files={CONF: File(_configuration(site), group="neutron"), **site.daemon(AGENT, "neutron")},
        units=UNITS,
        after=[
            Step("what OVN reads", ["ovs-vsctl", *_set(wanted(site))], unless=lambda: not differs(wanted(site), external_ids())),
            # Whoever reaches a manager's port commands the switch without a password. Nova uses the socket (nova-compute).
            Step("no port for managers", ["ovs-vsctl", "del-manager"], unless=lambda: not _ovs("get-manager").split()),
            Step("the external bridge", ["ovs-vsctl", *bridge(port, site("neutron-datapath"))], unless=lambda: _has_bridge(port)),
        ],
        checks=[
            Check("OVN's settings", lambda: _settings(site, port)),
            Check("Neutron knows the node's agents", lambda: _agents(site)),
        ],
    )


def _configuration(site: Site) -> dict[str, dict[str, object]]:
    return {
        "DEFAULT": {
            "host": site.name,
            "nova_metadata_host": site.one("cloud/nova"),
            "nova_metadata_port": PORTS["metadata"],
            "metadata_proxy_shared_secret": site("metadata-password"),
            "metadata_workers": site.workers,
        },
        "ovs": {"ovsdb_connection": "unix:/run/openvswitch/db.sock"},
        "ovn": {"ovn_sb_connection": f"tcp:{site.one('cloud/neutron')}:{SB}"},
        "agent": {"root_helper": "sudo neutron-rootwrap /etc/neutron/rootwrap.conf"},
    }


def wanted(site: Site) -> dict[str, str]:
    """What OVN's controller reads in Open vSwitch's database (ovn-controller(8)). The name is that of Nova's `host`."""
    return {
        "hostname": site.name,
        "ovn-remote": f"tcp:{site.one('cloud/neutron')}:{SB}",
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": site.address,
        "ovn-bridge-mappings": f"external:{EXTERNAL}",
        "ovn-bridge-datapath-type": "netdev" if site("neutron-datapath") == "userspace" else "system",
        "ovn-cms-options": "enable-chassis-as-gw",
    }


def _set(values: dict[str, str]) -> list[str]:
    return ["set", "Open_vSwitch", ".", *(f'external-ids:{key}="{value}"' for key, value in values.items())]


def differs(values: dict[str, str], there: dict[str, str]) -> list[str]:
    """Keys that have another value."""
    return [key for key, value in values.items() if there.get(key) != value]


def bridge(port: str, datapath: str) -> list[str]:
    """Words of ovs-vsctl that make the bridge to the external network."""
    kind = "netdev" if datapath == "userspace" else "system"
    words = ["--may-exist", "add-br", EXTERNAL, "--", "set", "Bridge", EXTERNAL, f"datapath_type={kind}"]
    return [*words, "--", "--may-exist", "add-port", EXTERNAL, port] if port else words


def _ovs(*words: str) -> str:
    done = subprocess.run(["ovs-vsctl", "--timeout=30", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Fault(f"ovs-vsctl {' '.join(words)}: {done.stderr.strip()[:300]}")
    return done.stdout


def external_ids() -> dict[str, str]:
    table = json.loads(_ovs("--format=json", "--columns=external_ids", "list", "Open_vSwitch"))
    return dict(table["data"][0][0][1])


def _has_bridge(port: str) -> bool:
    try:
        ports = _ovs("list-ports", EXTERNAL).split()
    except Fault:
        return False
    return not port or port in ports


def _settings(site: Site, port: str) -> None:
    wrong = differs(wanted(site), external_ids())
    if wrong:
        raise Fault(f"Open vSwitch has another value of {', '.join(wrong)}")
    if managers := _ovs("get-manager").split():
        raise Fault(f"Open vSwitch takes commands without a password: it has the manager {managers[0]}")
    if not _has_bridge(port):
        raise Fault(f"there is no bridge {EXTERNAL} with the port {port}" if port else f"there is no bridge {EXTERNAL}")


def _agents(site: Site) -> None:
    """Neutron reads them from OVN's southbound database, where the two agents of the node write."""
    keystone = Keystone(site.keystone_url(), site("neutron-password"), "neutron", "service")
    url = f"http://{site.one('cloud/neutron')}:{PORTS['neutron']}/v2.0/agents"
    alive = {one["binary"] for one in keystone.call("GET", url)["agents"] if one["host"] == site.name and one["alive"]}
    for binary in ("ovn-controller", AGENT):
        if binary not in alive:
            raise Fault(f"{binary} of {site.name} does not report to OVN")
