"""What the roles of Neutron do to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {
    "neutron-server": keeps("ovn-northd", "/etc/neutron/neutron.conf.d/crowbar.conf", 9696, 8.0),
    "neutron-compute": keeps(
        "ovn-controller", "/etc/neutron/neutron-ovn-metadata-agent.conf.d/crowbar.conf", 0, 4.0, "neutron-external-port", "neutron-datapath"
    ),
}
