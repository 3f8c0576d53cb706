"""What `openstack-front` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {"openstack-front": keeps("haproxy", "/etc/haproxy/haproxy.cfg", 15000, 1.0)}
