"""What the roles of Cinder do to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {
    "cinder": keeps("cinder-scheduler", "/etc/cinder/cinder.conf.d/crowbar.conf", 8776, 6.0),
    "cinder-volume": keeps("cinder-volume", "/etc/cinder/cinder-volume.conf.d/crowbar.conf", 3260, 4.0, "cinder-disks"),
}
