"""What `retriever` does to a simulated machine."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {"retriever": keeps("haproxy", "/etc/crowbar-retriever/haproxy.cfg", 8090, 3.0)}
