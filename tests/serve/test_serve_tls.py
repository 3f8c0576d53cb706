"""TLS: the site's authority, the listener, the routes that need TLS, and the image's agent with the clients that check certificates."""

from __future__ import annotations

import gc
import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from http_rig import KERNEL, Rig, greeting, ticket, until
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Hello, Outcome
from engine.netboot.site_image import Entry, cpio, site_image
from engine.trust.authority import CA_CERTIFICATE, CA_KEY, SERVER, SiteTrust, site_trust

NODE = Path(__file__).resolve().parents[2] / "images" / "node"
PLANTED = "pl4nted-credential-8c1d"


@pytest.fixture
def trust(tmp_path: Path) -> SiteTrust:
    (tmp_path / "keys").mkdir()
    return site_trust(tmp_path / "keys", ["127.0.0.1"])


@pytest.fixture
def rig(tmp_path: Path, trust: SiteTrust) -> Iterator[Rig]:
    rig = Rig(tmp_path, tls=trust)
    yield rig
    rig.stop()


def client(trust: SiteTrust) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=trust.ca.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def get(rig: Rig, context: ssl.SSLContext, method: str, path: str, body: bytes | None = None, token: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(*rig.http.secure_addresses[0], timeout=60, context=context)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# -- the authority -------------------------------------------------------------------------------------------------


def test_the_authority_stays_and_the_engine_is_certified_anew(tmp_path: Path) -> None:
    first = site_trust(tmp_path, ["192.168.124.10"])
    server = (tmp_path / SERVER).read_bytes()
    again = site_trust(tmp_path, ["192.168.124.11"])
    assert again.ca == first.ca
    assert (tmp_path / SERVER).read_bytes() != server
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {CA_KEY: 0o600, CA_CERTIFICATE: 0o644, SERVER: 0o600}


def test_a_clock_without_a_battery_takes_the_certificates(tmp_path: Path) -> None:
    site_trust(tmp_path, ["192.168.124.10"])
    for name in (CA_CERTIFICATE, SERVER):
        certificate = x509.load_pem_x509_certificate((tmp_path / name).read_bytes())
        assert certificate.not_valid_before_utc <= datetime(1970, 1, 1, tzinfo=UTC)
        assert certificate.not_valid_after_utc.year == 9999


@pytest.mark.parametrize("what", ["other", "open", "damaged"])
def test_files_that_are_not_right_are_refused_with_what_to_do(tmp_path: Path, what: str) -> None:
    site_trust(tmp_path, ["10.0.0.1"])
    if what == "other":
        (tmp_path / "x").mkdir()
        site_trust(tmp_path / "x", ["10.0.0.1"])
        shutil.copy(tmp_path / "x" / CA_CERTIFICATE, tmp_path / CA_CERTIFICATE)
    elif what == "open":
        (tmp_path / CA_KEY).chmod(0o644)
    else:
        (tmp_path / CA_KEY).write_text("none")
    with pytest.raises(ValueError, match="chmod 600" if what == "open" else "delete both"):
        site_trust(tmp_path, ["10.0.0.1"])


# -- the site's initramfs ------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio")
def test_cpio_reads_the_site_s_initramfs(tmp_path: Path) -> None:
    data = site_image("ssh-ed25519 AAAA", b"PEM\n", "https://192.168.124.10")
    assert data == site_image("ssh-ed25519 AAAA\n", b"PEM\n", "https://192.168.124.10")
    archive = gzip.decompress(data)
    assert len(archive) % 512 == 0
    listed = subprocess.run(["cpio", "-tv", "--quiet"], input=archive, capture_output=True, check=True).stdout.decode().splitlines()
    assert [(line.split()[0], line.split()[2], line.split()[3], line.split()[-1]) for line in listed] == [
        ("drwxr-xr-x", "root", "root", "etc"),
        ("drwxr-xr-x", "root", "root", "etc/crowbar"),
        ("-rw-------", "root", "root", "etc/crowbar/authorized_keys"),
        ("-rw-r--r--", "root", "root", "etc/crowbar/ca.crt"),
        ("-rw-r--r--", "root", "root", "etc/crowbar/tls"),
    ]
    subprocess.run(["cpio", "-id", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "etc/crowbar/authorized_keys").read_text() == "ssh-ed25519 AAAA\n"
    assert (tmp_path / "etc/crowbar/tls").read_text() == "https://192.168.124.10\n"


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio")
@given(
    st.dictionaries(
        st.text("abcXYZ09._-", min_size=1, max_size=20).filter(lambda n: n not in (".", "..")), st.binary(max_size=100), max_size=6
    )
)
def test_whatever_is_put_in_comes_out(files: dict[str, bytes]) -> None:
    archive = cpio([Entry(name=name, mode=0o644, content=content) for name, content in files.items()])
    listed = subprocess.run(["cpio", "-t", "--quiet"], input=archive, capture_output=True, check=True).stdout.decode().splitlines()
    assert listed == list(files)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "a/../b", "a//b", "a/", "./a", "a\0b", "é"])
def test_names_that_would_lead_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        cpio([Entry(name=name, mode=0o644, content=b"")])


def test_what_is_public_is_there_for_all(rig: Rig) -> None:
    assert rig.call("GET", "/boot/site.img")[:2] == (200, b"the site")
    assert rig.call("GET", "/grub/grub.cfg")[:2] == (200, b"set timeout=0")
    status, menu, headers = rig.call("GET", "/boot/grub.cfg?mac=52:54:00:00:00:01")
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert menu.startswith(b"linux crowbar.nonce=")


# -- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["in the handshake", "silent", "asked"])
def test_no_socket_stays_open_whatever_its_peer_does(tmp_path: Path, trust: SiteTrust, how: str) -> None:
    rig = Rig(tmp_path, tls=trust)
    peer = socket.create_connection(rig.http.secure_addresses[0], timeout=60)
    try:
        if how == "in the handshake":
            peer.sendall(b"\x16\x03\x01")
            assert get(rig, client(trust), "GET", "/boot/site.img")[0] == 200  # connections are accepted in their order
        else:
            peer = client(trust).wrap_socket(peer, server_hostname="127.0.0.1")
            until(lambda: rig.http.counters()["open_connections"])
        if how == "asked":
            peer.sendall(b"GET /boot/site.img HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(65536).startswith(b"HTTP/1.1 200")
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            rig.stop()
            gc.collect()
        assert [str(one.message) for one in seen if one.category is ResourceWarning] == []
    finally:
        rig.stop()
        peer.close()


# -- the listener --------------------------------------------------------------------------------------------------


def test_it_is_the_same_service(rig: Rig, trust: SiteTrust) -> None:
    rig.add_image("sledgehammer", "vmlinuz", KERNEL, use="kernel")
    assert get(rig, client(trust), "GET", "/image/sledgehammer/vmlinuz") == (200, KERNEL)
    status, body = get(rig, client(trust), "POST", "/agent/hello", http_body(nonce=ticket(1)))
    assert (status, b"token" in body) == (200, True)


def http_body(**fields: Any) -> bytes:
    return json.dumps(greeting(**fields)).encode()


def test_who_trusts_somebody_else_does_not_talk_to_it(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(ssl.SSLCertVerificationError):
        get(rig, client(site_trust(tmp_path / "other", ["127.0.0.1"])), "GET", "/boot/site.img")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused(rig: Rig, trust: SiteTrust) -> None:
    context = client(trust)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        get(rig, context, "GET", "/boot/site.img")


# -- secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_goes_over_tls_alone(rig: Rig, trust: SiteTrust) -> None:
    token = rig.hello()
    rig.order("ab-1.0", sealed=("credential",))
    status, body, _ = rig.call("GET", "/agent/task/ab-1.0", token=token)
    assert (status, body["code"]) == (404, "late")
    failed = rig.wait_event(Outcome)[0]
    assert (failed.what, failed.failure.code) == ("failed", "secret_in_clear")
    assert failed.failure.fields == {"role": "demo", "names": "credential"}
    # The same token over TLS: whoever listened to its hello has it as well.
    rig.order("ab-2.0", sealed=("credential",))
    assert get(rig, client(trust), "GET", "/agent/task/ab-2.0", token=token)[0] == 404
    safe = token_over_tls(rig, trust)
    rig.order("ab-3.0", sealed=("credential",))
    status, tar = get(rig, client(trust), "GET", "/agent/task/ab-3.0", token=safe)
    assert (status, b"attributes.json" in tar) == (200, True)


def token_over_tls(rig: Rig, trust: SiteTrust) -> str:
    status, body = get(rig, client(trust), "POST", "/agent/hello", http_body(nonce=ticket(1)))
    assert status == 200
    return str(json.loads(body)["token"])


def test_an_image_is_read_by_a_ticket_of_its_own(rig: Rig) -> None:
    """So that no token has to go in clear beside it."""
    rig.hello()
    rig.add_image("debian-12", "root", KERNEL, kind="system", use="root")
    ticket = rig.keys.ticket("n1", "boot-1", "debian-12")
    assert rig.call("GET", "/image/debian-12/root", token=ticket)[:2] == (200, KERNEL)
    assert rig.call("GET", "/image/debian-12/root", token=rig.keys.ticket("n1", "boot-1", "other"))[0] == 401
    assert rig.call("GET", "/image/debian-12/root", token=rig.keys.ticket("n1", "boot-0", "debian-12"))[0] == 401
    assert rig.call("GET", "/agent/next", token=ticket)[0] == 401


def test_what_is_no_secret_goes_either_way(rig: Rig, trust: SiteTrust) -> None:
    token = rig.hello()
    rig.order("ab-1.0")
    assert rig.call("GET", "/agent/task/ab-1.0", token=token)[0] == 200
    assert get(rig, client(trust), "GET", "/agent/task/ab-1.0", token=token)[0] == 200


# -- the agent -----------------------------------------------------------------------------------------------------


class Agent:
    """The node's agent with one client, and a root that the site's initramfs was unpacked in."""

    def __init__(self, rig: Rig, path: Path, ca: bytes, client: str) -> None:
        tools = path / "bin"
        tools.mkdir()
        for tool in NODE.iterdir():
            (tools / tool.name).symlink_to(tool)
        for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for program in Path(folder).iterdir():
                if program.name not in ("curl", "wget", "reboot") and not (tools / program.name).exists():
                    (tools / program.name).symlink_to(program)
        if client == "busybox":
            (tools / "wget").symlink_to(shutil.which("busybox") or "")
        else:
            (tools / client).symlink_to(shutil.which(client) or "")
        root = path / "root"
        host, port = rig.http.secure_addresses[0]
        for name, data in {"ca.crt": ca, "tls": f"https://{host}:{port}\n".encode()}.items():
            (root / "etc/crowbar").mkdir(parents=True, exist_ok=True)
            (root / "etc/crowbar" / name).write_bytes(data)
        for name, text in {"proc/sys/kernel/random/boot_id": "boot-1\n", "sys/class/dmi/id/product_uuid": "4c4c\n"}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        line = path / "cmdline"
        line.write_text(f"quiet crowbar.url={rig.url} crowbar.nonce={ticket(1)} crowbar.env=sledgehammer\n")
        self.said = path / "said"
        environment = {
            "PATH": str(tools),
            "CROWBAR_HOME": str(path / "home"),
            "CROWBAR_CMDLINE": str(line),
            "CROWBAR_ROOT": str(root),
            "CROWBAR_WATCH_S": "1",
        }
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                ["sh", str(NODE / "agent")], env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)


@pytest.fixture(params=["curl", "wget"])
def checking(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    return str(request.param)


@pytest.mark.client
def test_the_agent_takes_a_secret_over_tls(rig: Rig, trust: SiteTrust, checking: str, tmp_path: Path) -> None:
    agent = Agent(rig, tmp_path, trust.ca, checking)
    try:
        rig.wait_event(Hello)
        until(lambda: rig.boots.get("n1"))
        rig.order("ab-1.0", sealed=("credential",), run="exit 0")
        done = rig.wait_event(Outcome)[0]
        assert (done.what, done.attempt) == ("done", "ab-1.0"), agent.said.read_text()
        assert all(name.endswith(("_200", "_204")) for name in rig.http.counters() if name.startswith(("hello", "task", "result")))
    finally:
        agent.end()


@pytest.mark.client
def test_the_agent_says_nothing_to_who_is_not_signed(rig: Rig, checking: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = site_trust(tmp_path / "other", ["127.0.0.1"])
    agent = Agent(rig, tmp_path, other.ca, checking)
    try:
        until(lambda: "no hello to https://" in agent.said.read_text())
        assert rig.seen(Hello) == []
    finally:
        agent.end()


@pytest.mark.client
def test_a_client_that_checks_nothing_gets_no_secret(rig: Rig, trust: SiteTrust, tmp_path: Path) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("needs busybox")
    agent = Agent(rig, tmp_path, trust.ca, "busybox")
    try:
        until(lambda: rig.boots.get("n1"))
        assert "without TLS" in agent.said.read_text()
        rig.order("ab-1.0", sealed=("credential",))
        assert rig.wait_event(Outcome)[0].failure.code == "secret_in_clear"
    finally:
        agent.end()
