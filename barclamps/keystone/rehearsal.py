"""What `keystone` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {"keystone": keeps("keystone", "/etc/keystone/keystone.conf.d/crowbar.conf", 5000, 8.0, "token-hours")}
