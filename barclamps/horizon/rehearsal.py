"""What `horizon` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {"horizon": keeps("uwsgi", "/etc/openstack-dashboard/local_settings.d/_9000_crowbar.py", 8000, 4.0)}
