"""The serial console by SSH: what Redfish services say of it, and a real SSH session to a BMC that gives it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest
from redfish_rig import redfish

from engine.core.world.load import load_world
from engine.files.catalog import shipped
from engine.model import Bmc, Node
from engine.power import Pace, PowerFailed, SessionFailed
from engine.power.certificates import Certificates
from engine.power.ssh_console import ConsoleWay, SshConsole, console_way
from engine.racks.bmc.redfish import RedfishFarm
from engine.runtime.config import Config
from engine.runtime.power_orders import PowerOrders
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)
ADDRESS = f"10.0.{os.getpid() // 200 % 200}.44"


class _Bmc(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL if (username, password) == ("root", "calvin") else paramiko.common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_pty_request(self, *_: Any) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return True


class SshBmc:
    """A BMC with an SSH server. What its machine prints is sent once the console is entered."""

    def __init__(self, host: str, port: int, enter: str) -> None:
        self.enter, self.printed, self.heard = enter, b"kernel: booting\r\n", b""
        self.key = paramiko.ECDSAKey.generate()
        self.listener = socket.create_server((host, port))
        self.port: int = self.listener.getsockname()[1]
        self.hangs_up = threading.Event()
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(self.key)
            try:
                transport.start_server(server=_Bmc())
                self._console(transport)
            except (paramiko.SSHException, OSError, EOFError):
                pass
            finally:
                transport.close()
                transport.join(60)
                self.closed.set()

    def _console(self, transport: paramiko.Transport) -> None:
        channel = transport.accept(60)
        if channel is None:
            return
        channel.sendall(b"bmc> " if self.enter else b"")
        line = b""
        channel.settimeout(60)
        while self.enter and not line.endswith(b"\r"):
            got = channel.recv(100)
            if not got:
                return
            line += got
        if line.strip().decode() == self.enter:
            channel.sendall(self.printed)
        channel.settimeout(0.05)
        while not self.hangs_up.is_set():
            try:
                got = channel.recv(100)
            except TimeoutError:
                continue
            if not got:
                return
            self.heard += got

    def close(self) -> None:
        self.hangs_up.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(60)


@pytest.fixture
def ssh() -> Iterator[SshBmc]:
    bmc = SshBmc("127.0.0.1", 0, "vsp")
    yield bmc
    bmc.close()


def until(console: SshConsole, text: bytes) -> bytes:
    out, deadline = b"", time.monotonic() + 60
    while text not in out:
        assert time.monotonic() < deadline, out
        out += console.read(0.5)
    return out


def opened(bmc: SshBmc, certificates: Certificates | None = None, password: str = "calvin") -> SshConsole:
    way = ConsoleWay(port=bmc.port, enter=bmc.enter, leave=b"\x1b(")
    return SshConsole("127.0.0.1", bmc.port, ("root", password), way, certificates or Certificates(), 30.0)


def test_what_a_machine_prints_is_read_and_nothing_is_typed_into_it(ssh: SshBmc) -> None:
    console = opened(ssh)
    assert b"kernel: booting" in until(console, b"booting\r\n")
    assert console.read(0.1) == b""
    console.close()
    assert ssh.closed.wait(60)
    assert ssh.heard == b"\x1b(", "only the way out"


def test_a_bmc_that_hangs_up_ends_the_console(ssh: SshBmc) -> None:
    console = opened(ssh)
    until(console, b"booting")
    ssh.hangs_up.set()
    with pytest.raises(SessionFailed, match="ended the serial console|broke off"):
        until(console, b"never")
    console.close()


def test_a_wrong_account_and_another_host_key_are_refused(ssh: SshBmc) -> None:
    certificates = Certificates()
    opened(ssh, certificates).close()
    with pytest.raises(SessionFailed) as wrong:
        opened(ssh, certificates, "other")
    assert wrong.value.failed.kind == "authentication"
    ssh.key = paramiko.ECDSAKey.generate()
    with pytest.raises(SessionFailed, match="another SSH host key") as other:
        opened(ssh, certificates)
    assert other.value.failed.kind == "refused"


def test_nobody_listens_or_it_is_no_ssh() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        def mail() -> None:
            with silent.accept()[0] as sock:
                sock.sendall(b"220 mail\r\n" * 200)

        threading.Thread(target=mail, daemon=True).start()
        with pytest.raises(SessionFailed, match="cannot be used"):
            SshConsole("127.0.0.1", port, ("root", "x"), ConsoleWay(port=port), Certificates(), 5.0)
    with pytest.raises(SessionFailed) as away:
        SshConsole("127.0.0.1", port, ("root", "x"), ConsoleWay(port=port), Certificates(), 5.0)
    assert away.value.failed.kind == "unreachable"


# -- what services say ---------------------------------------------------------------------------------------------


class Session:
    def __init__(self, **resources: dict[str, Any]) -> None:
        self.resources = {f"/{name}": body for name, body in resources.items()}

    def get(self, link: Any) -> Any:
        body = self.resources.get(link["@odata.id"]) if isinstance(link, dict) else None
        if body is None:
            raise SessionFailed("unsupported", "it is not there")
        return type("Answer", (), {"body": body})()


def way(system: dict[str, Any], **resources: dict[str, Any]) -> ConsoleWay | str:
    try:
        return console_way(Session(**resources), system)  # type: ignore[arg-type]
    except SessionFailed as error:
        return error.failed.kind


LINKS = {"Links": {"ManagedBy": [{"@odata.id": "/m"}]}}
CONSOLE = {"SerialConsole": {"ServiceEnabled": True, "ConnectTypesSupported": ["SSH", "IPMI"]}, "NetworkProtocol": {"@odata.id": "/n"}}


@pytest.mark.parametrize(
    ("system", "resources", "found"),
    [
        ({"SerialConsole": {"SSH": {"ServiceEnabled": True, "Port": 2200}}}, {}, ConsoleWay(port=2200)),
        (
            {"SerialConsole": {"SSH": {"ServiceEnabled": True, "Port": 22, "SharedWithManagerCLI": True, "ConsoleEntryCommand": "start"}}},
            {},
            ConsoleWay(port=22, enter="start"),
        ),
        ({"SerialConsole": {"SSH": {"ServiceEnabled": True, "SharedWithManagerCLI": True}}}, {}, "unsupported"),
        ({"SerialConsole": {"SSH": {"ServiceEnabled": True, "Port": "22", "ConsoleEntryCommand": "a\x07b"}}}, {}, ConsoleWay(port=22)),
        ({"SerialConsole": {"SSH": {"ServiceEnabled": False, "Port": 2200}}}, {}, "unsupported"),
        (
            {"Manufacturer": "HPE", **LINKS},
            {"m": CONSOLE, "n": {"SSH": {"Port": 2022}}},
            ConsoleWay(port=2022, enter="vsp", leave=b"\x1b("),
        ),
        ({"Manufacturer": "HPE", **LINKS}, {"m": CONSOLE}, ConsoleWay(port=22, enter="vsp", leave=b"\x1b(")),
        ({"Manufacturer": "HPE", **LINKS}, {"m": CONSOLE, "n": {"SSH": {"ProtocolEnabled": False}}}, "unsupported"),
        ({"Manufacturer": "Acme", **LINKS}, {"m": CONSOLE}, "unsupported"),
        ({"Manufacturer": "Dell Inc.", **LINKS}, {"m": {"SerialConsole": {"ServiceEnabled": False}}}, "unsupported"),
        ({"SerialConsole": []}, {}, "unsupported"),
    ],
)
def test_how_a_service_says_it(system: dict[str, Any], resources: dict[str, Any], found: ConsoleWay | str) -> None:
    assert way(system, **resources) == found


def test_the_recorded_services_say_how() -> None:
    from test_power_recorded import CASES

    if not CASES:
        pytest.skip("no recorded hardware")

    class Tree:
        def __init__(self, tree: dict[str, Any]) -> None:
            self.tree = tree

        def get(self, link: Any) -> Any:
            body = self.tree.get(str(link.get("@odata.id")).rstrip("/")) if isinstance(link, dict) else None
            if body is None:
                raise SessionFailed("unsupported", "it was not recorded")
            return type("Answer", (), {"body": body})()

    found: dict[str, set[str]] = {}
    for case in CASES:
        try:
            told = console_way(Tree(case.tree), case.system)  # type: ignore[arg-type]
        except SessionFailed:
            continue
        found.setdefault(str(case.system.get("Manufacturer"))[:10].split()[0], set()).add(f"{told.port} {told.enter}".strip())
    assert found["HPE"] == {"22 vsp"}
    assert found["Lenovo"] == {"22 console 1"}
    assert found["Supermicro"] == {"22 cd system1/sol1; start"}
    assert {"2200"} in found.values(), "BlueField"


# -- through the engine's orders -----------------------------------------------------------------------------------


def test_a_bmc_without_ipmi_gives_its_console_by_ssh(redfish_farm: RedfishFarm, machine: Any, tmp_path: Path) -> None:
    node = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, entered=True), firmware="efi")
    world = load_world(shipped(), {"nodes": {node.id: node}})
    pace = Pace(total_s=20.0, web_s=20.0, greet_s=5.0, rest_s=0.0, poll_s=0.05)
    config = Config(store=tmp_path / "store", keys=tmp_path, reach=REACH)
    orders = PowerOrders(config, lambda _node: ("root", "calvin"), lambda *_: False, lambda: pace, lambda: world)
    bmc = redfish_farm.add(*REACH(ADDRESS, 443), machine)
    assert redfish(bmc.port, host=bmc.host).console_way() == PowerFailed(
        kind="unsupported", message="its Redfish service names no serial console by SSH"
    )
    nothing = orders.console(node, False)
    assert isinstance(nothing, PowerFailed), "neither way"
    ssh = SshBmc(*REACH(ADDRESS, 2200), "")
    ssh.enter = "vsp"
    told = {"SerialConsole": {"SSH": {"ServiceEnabled": True, "Port": 2200, "ConsoleEntryCommand": "vsp"}}}
    bmc.tree.more = lambda path: told if path.endswith("/Systems/1") else None
    try:
        console = orders.console(node, False)
        assert isinstance(console, SshConsole), console
        until(console, b"booting")
        console.close()
    finally:
        ssh.close()
