"""The sockets that serve the rack: DHCP, TFTP and HTTP.

Each service owns a thread, and reports to the engine by events. It either starts cleanly or raises `ServiceError`.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Protocol


class Service(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


class ServiceError(Exception):
    """A service cannot start or continue. The text is one sentence with the cause and the advice."""


def cannot_listen(service: str, protocol: str, address: tuple[str, int], why: OSError) -> ServiceError:
    """The sentence for an OSError while opening `service` ("DHCP") on `address` over `protocol` ("udp", "tcp")."""
    host, port = address
    where = f"{protocol} port {port} of {host or '0.0.0.0'}"
    letter = "u" if protocol == "udp" else "t"
    match why.errno:
        case errno.EADDRINUSE:
            what = f"it is in use: find the program with `ss -ln{letter}p 'sport = :{port}'` and stop it"
        case errno.EACCES | errno.EPERM:
            what = "it needs privilege: run as root, or grant CAP_NET_BIND_SERVICE and CAP_NET_RAW"
        case errno.EADDRNOTAVAIL:
            what = f"this machine has no such address: compare `ip address` with the plan, or add {host}"
        case errno.ENODEV:
            what = "the interface does not exist: see `ip link` for those that do"
        case _:
            what = f"the system says {why.strerror or why}"
    return ServiceError(f"{service} cannot listen on {where}: {what}")


def started(services: Sequence[Service]) -> list[Service]:
    """Starts them in order, or none of them. Raises the error of the one that cannot start."""
    running: list[Service] = []
    try:
        for service in services:
            service.start()
            running.append(service)
    except BaseException:
        for service in running:
            service.stop()
        raise
    return running
