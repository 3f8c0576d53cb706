"""What `placement` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {"placement": keeps("placement-api", "/etc/placement/placement.conf.d/crowbar.conf", 8778, 4.0)}
