"""The DHCP service: start and stop, ports, and an interface of a namespace."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dhcp_rig import Engine, Start, discover, until

from engine.serve import ServiceError
from engine.wire.dhcp import encode_request


def test_start_and_stop_are_clean(start: Start, engine: Engine, client: socket.socket) -> None:
    service = start()
    address = service.address
    with pytest.raises(ServiceError, match="already running"):
        service.start()
    service.stop()
    service.stop()
    again = start(bind=address)
    client.sendto(encode_request(discover(1)), address)
    until(lambda: len(engine.requests) == 1)
    again.stop()
    again.start()
    client.sendto(encode_request(discover(2)), address)
    until(lambda: len(engine.requests) == 2)


def test_a_port_in_use_is_a_sentence_with_what_to_do(start: Start) -> None:
    service = start()
    with pytest.raises(ServiceError, match=r"DHCP cannot listen on udp port \d+ of 127.0.0.1: it is in use.*ss -lnu"):
        start(bind=service.address)
    with pytest.raises(ServiceError, match="no such address"):
        start(bind=("192.0.2.1", 0))
    with pytest.raises(ServiceError, match="interface does not exist"):
        start(interface="nosuch0", bind=("0.0.0.0", 0))


def test_two_instances_serve_two_ports(start: Start, engine: Engine, client: socket.socket) -> None:
    main, proxy = start(), start()
    client.sendto(encode_request(discover(1)), main.address)
    until(lambda: main.counters.received == 1)
    client.sendto(encode_request(discover(2)), proxy.address)
    until(lambda: proxy.counters.received == 1 and len(engine.requests) == 2)


@pytest.mark.net
@pytest.mark.parametrize("bound", ["device", "index"])
def test_on_an_interface_of_a_namespace(bound: str) -> None:
    """Ports 67 and 68, broadcast both ways, a frame to a client without an address, and deafness to other interfaces."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is missing")
    if subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    here = Path(__file__).parent
    ran = subprocess.run(
        ["unshare", "-Urn", sys.executable, str(here / "dhcp_on_veth.py"), bound],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=here.parents[1],
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "all as expected"
