"""The DHCP sockets of an engine: port 67, and beside another server (`dhcp: proxy`) also port 4011. They connect the sockets and the
loop.

Broadcasts reach only the wildcard address, so on a real interface DHCP listens there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..effects import SendDhcp
from ..events import DhcpAsked
from ..plan import Plan
from ..serve.dhcp import DhcpCounters, DhcpService
from ..serve.standing import ALL_KNOWN, Standings
from ..wire.dhcp import PROXY_PORT, SERVER_PORT, DhcpRequest
from ..wire.reach import Reach
from ..wire.recording import NOBODY, Recorder


class DhcpServices:
    """`submit` gets the packets that waited together, and returns how many of them, from the front, it accepted."""

    def __init__(
        self,
        *,
        plan: Plan,
        interface: str | None,
        reach: Reach,
        submit: Callable[[list[DhcpAsked]], int],
        record: Recorder = NOBODY,
        standings: Standings = ALL_KNOWN,
    ) -> None:
        ports = [SERVER_PORT] + ([PROXY_PORT] if any(n.dhcp == "proxy" for n in plan.networks.values()) else [])
        address, name = plan.site.admin.address, interface or "any interface"

        def hand_over(port: int) -> Callable[[list[tuple[DhcpRequest, float]]], int]:
            return lambda packets: submit([DhcpAsked(request=request, interface=name, port=port) for request, _ in packets])

        self._of = {
            port: DhcpService(
                interface=interface,
                bind=("", port) if reach.lane is None else reach(address, port),
                submit=hand_over(port),
                route=reach,
                record=record,
                standings=standings,
            )
            for port in ports
        }

    @property
    def counters(self) -> DhcpCounters:
        """Of port 67."""
        return self._of[SERVER_PORT].counters

    def start(self) -> None:
        """Raises ServiceError, and then holds no socket."""
        started: list[DhcpService] = []
        try:
            for service in self._of.values():
                service.start()
                started.append(service)
        except BaseException:
            for service in started:
                service.stop()
            raise

    def stop(self) -> None:
        for service in self._of.values():
            service.stop()

    def send(self, effects: Iterable[SendDhcp]) -> None:
        """Sends each reply from the port that was asked."""
        by_port: dict[int, list[SendDhcp]] = {}
        for effect in effects:
            by_port.setdefault(effect.port, []).append(effect)
        for port, several in by_port.items():
            service = self._of.get(port)
            if service is not None:
                service.send([(effect.reply, effect.to) for effect in several])
