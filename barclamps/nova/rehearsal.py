"""What the roles of Nova do to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {
    "nova-controller": keeps("nova-conductor", "/etc/nova/nova.conf.d/crowbar.conf", 8774, 12.0),
    "nova-compute": keeps("nova-compute", "/etc/nova/nova-compute.conf.d/crowbar.conf", 0, 6.0, "nova-virt-type", "nova-cpu-overcommit"),
}
