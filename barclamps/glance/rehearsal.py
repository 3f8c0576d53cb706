"""What `glance` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {"glance": keeps("glance-api", "/etc/glance/glance.conf.d/crowbar.conf", 9292, 5.0, "image-gigabytes")}
