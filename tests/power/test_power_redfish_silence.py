"""Redfish: nothing listens, another service listens, or the answer takes long."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

from redfish_odd import READ_OFF, failed
from redfish_rig import FALLS_SILENT, IMPATIENT, SYSTEM, USUAL, Raw, Service, redfish, system

from engine.power import PowerDone, PowerState
from engine.power.redfish import speaks_redfish
from engine.racks.bmc.ipmi import DEAD, OBEDIENT, slow
from engine.racks.bmc.redfish import RedfishFarm


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    failed(redfish(port).read(), "unreachable", f"port {port}", "refused")


def test_silence(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=DEAD)
    begun = time.monotonic()
    failed(redfish(bmc.port, IMPATIENT).read(), "unreachable", "no answer in time")
    assert time.monotonic() - begun < 30
    bmc.mood = OBEDIENT
    assert redfish(bmc.port).read() == READ_OFF


def test_falls_silent_in_a_call(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)

    def dies() -> bool:
        bmc.mood = DEAD
        return False

    machine.power_state = dies
    failed(redfish(bmc.port, FALLS_SILENT).set("on"), "timeout")


def test_something_else_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]

        def plain_http() -> None:
            for _ in range(2):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(4096)
                    sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=plain_http)
        thread.start()
        failed(redfish(port).read(), "unsupported", "TLS")
        assert not speaks_redfish("127.0.0.1", port, 5.0)
        thread.join()


def test_a_slow_one_is_waited_for(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=slow(0.05))
    assert redfish(bmc.port).boot("disk", persistent=False, uefi=None) == PowerDone(state=PowerState.ON, boot_device="disk")


def test_one_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    busy = [1, 1]

    def answer(_: Service) -> Any:
        return (503, {"Retry-After": "0"}, {}) if busy and busy.pop() else system()

    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        assert redfish(service.port).read() == READ_OFF
        assert len(service.asked(f"GET {SYSTEM}")) == 3


def test_a_connection_that_was_closed_meanwhile(tmp_path: Path) -> None:
    """Without a word: what was asked on it is asked again, on a new one."""
    dropped: list[int] = []

    def drops_once(_: Service) -> Any:
        if not dropped:
            dropped.append(1)
            return Raw(b"")
        return system()

    with Service(tmp_path, {f"GET {SYSTEM}": drops_once}) as service:
        assert redfish(service.port).read() == READ_OFF
        assert service.connections == 2


def test_every_answer_may_end_its_connection(tmp_path: Path) -> None:
    closing = {"Connection": "close"}
    replies = {line: (200, closing, body) for line, body in USUAL.items()}
    with Service(tmp_path, replies) as service:
        assert redfish(service.port).read() == READ_OFF
        assert service.connections == len(service.seen)
