"""What the roles do to a simulated machine: their files, with a process and a port for each."""

from __future__ import annotations

from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour

ROLES: dict[str, Behaviour] = {
    "openstack-database": keeps("mariadbd", "/etc/mysql/mariadb.conf.d/90-crowbar.cnf", 3306, 6.0),
    "openstack-messages": keeps("beam.smp", "/etc/rabbitmq/rabbitmq.conf", 5672, 8.0),
    "openstack-cache": keeps("memcached", "/etc/memcached.conf", 11211, 1.0),
}
