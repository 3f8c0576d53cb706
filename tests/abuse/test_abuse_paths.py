"""Path games: nothing but the catalogue's own names leads to a file, by HTTP or by TFTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.files.catalog import shipped
from engine.images.shelf import open_images
from engine.serve.routes import find
from engine.serve.tftp import Refusal, TftpFile, TftpService
from engine.wire import tftp

SECRET = b"root:x:0:0:"
HTTP = [
    "/image/../../etc/passwd",
    "/image/..%2f..%2fetc/passwd",
    "/image/%2e%2e/%2e%2e/etc/passwd",
    "/image/%252e%252e/x",
    "//etc/passwd",
    "/image//etc/passwd",
    "/image/loader/../../../../etc/passwd",
    "/image/loader/..",
    "/image/loader/.",
    "/image/loader/",
    "/image/loader",
    "/image/loader/snponly.efi/",
    "/image/loader//snponly.efi",
    "/image/loader/snponly.efi%00",
    "/image/loader/snponly.efi%00.txt",
    "/image/loader/snponly.efi\0",
    "/image/loader/%73nponly.efi",
    "/image/loader/..\\..\\etc\\passwd",
    "/image/C:/Windows/win.ini",
    "/image/C:\\Windows\\win.ini",
    "/image/file:///etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1/image/loader/snponly.efi",
    "/image/loader/.htaccess",
    "/image/.git/config",
    "/image/~root/x",
    "/image/loader/snponly.efi;x",
    "/IMAGE/loader/snponly.efi",
    "/image/loader/snponly.efi\t",
    "/./image/loader/snponly.efi",
    "/boot/../image/loader/snponly.efi",
    "/agent/task/../../etc/passwd",
    "/agent/task/..",
    "/agent/task/%2e%2e",
    "/agent/task/a/b",
    "/agent//next",
    "/agent/next/",
    "/",
    "*",
    "",
    "/image/loader/" + "a" * 200,
    "/image/" + "../" * 200 + "etc/passwd",
    "/image/l\u00f6ader/x",
    "/image/loader/snponly.efi#x",
    "/image/loader/\u2025/x",
]
TFTP = [
    "../../etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "etc/passwd",
    "..\\..\\etc\\passwd",
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "\\\\host\\share\\x",
    "file:///etc/passwd",
    "./snponly.efi",
    "/snponly.efi",
    "snponly.efi/",
    "SNPONLY.EFI",
    "snponly.efi ",
    "snponly.efi\n",
    "%2e%2e/etc/passwd",
    "loader/../snponly.efi",
    "~root/.ssh/id_ed25519",
    ".",
    "..",
    "a" * 400,
]


@pytest.mark.parametrize("path", HTTP)
def test_no_route_leads_out(path: str) -> None:
    """The raw path, as it came: nothing is decoded before it is matched."""
    assert find(path) is None


def test_of_a_file_that_the_catalogue_does_not_have_there_is_no_path(tmp_path: Path) -> None:
    images = open_images(shipped(), tmp_path, synthetic=True)
    (tmp_path / "synthetic" / "loader" / "other").write_bytes(b"beside")
    for name, file in [
        ("loader", "other"),
        ("..", "checksums.json"),
        ("loader", "../../checksums.json"),
        ("", ""),
        ("loader", "/etc/passwd"),
    ]:
        assert images.file(name, file) is None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TftpService]:
    """As the engine sets it up: a dictionary from name to octets."""
    loaders = open_images(shipped(), tmp_path_factory.mktemp("images"), synthetic=True).loaders()
    service = TftpService(
        bind=("127.0.0.1", 0),
        interface=None,
        resolve=lambda name, _peer: TftpFile(body=loaders[name]) if name in loaders else Refusal(),
        fetched=lambda *_: None,
    )
    service.start()
    yield service
    service.stop()


def first_answer(service: TftpService, packet: bytes) -> tftp.Packet:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.sendto(packet, service.address)
        return tftp.decode(client.recv(2048))


@pytest.mark.parametrize("name", TFTP)
def test_tftp_serves_no_other_name(served: TftpService, name: str) -> None:
    answer = first_answer(served, b"\0\1" + name.encode() + b"\0octet\0")
    assert isinstance(answer, tftp.Error), answer
    assert SECRET not in answer.message.encode()


def test_nothing_follows_a_nul(served: TftpService) -> None:
    """`snponly.efi\\0../../etc/passwd\\0octet\\0`: the name ends at the NUL, what follows is the mode, and no mode of ours."""
    answer = first_answer(served, b"\0\1snponly.efi\0../../etc/passwd\0octet\0")
    assert isinstance(answer, tftp.Error)
    assert isinstance(first_answer(served, b"\0\1snponly.efi\0octet\0"), tftp.Data)
