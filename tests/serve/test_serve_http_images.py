"""HTTP: images, whole and in parts."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from http_rig import KERNEL, Rig, until


def test_images_whole_parts_and_conditions(rig: Rig) -> None:
    rig.add_image("sledgehammer", "kernel", KERNEL, use="kernel")
    tag = f'"{hashlib.sha256(KERNEL).hexdigest()}"'
    size = len(KERNEL)
    path = "/image/sledgehammer/kernel"

    def get(method: str = "GET", **headers: str) -> tuple[int, Any, dict[str, str]]:
        return rig.call(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    status, data, headers = get()
    assert (status, data == KERNEL, headers["etag"], headers["accept-ranges"]) == (200, True, tag, "bytes")
    status, data, headers = get("HEAD")
    assert (status, data, headers["content-length"], headers["etag"]) == (200, b"", str(size), tag)
    status, data, headers = get(Range="bytes=100-199")
    assert (status, data, headers["content-range"]) == (206, KERNEL[100:200], f"bytes 100-199/{size}")
    assert get(Range=f"bytes={size - 5}-")[1] == KERNEL[-5:]
    assert get(Range="bytes=-7")[1] == KERNEL[-7:]
    status, _, headers = get(Range=f"bytes={size}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{size}")
    assert get(Range="bytes=0-1,5-6")[0] == 200
    assert get(If_None_Match=tag)[0] == 304
    assert get(If_None_Match=f'"x", W/{tag}')[0] == 304
    assert get(If_None_Match='"x"')[0] == 200
    assert get(Range="bytes=0-1", If_Range=tag)[0] == 206
    assert get(Range="bytes=0-1", If_Range='"another"')[0] == 200
    assert rig.call("GET", "/image/sledgehammer/nothing")[0] == 401


def test_system_images_need_a_token(rig: Rig) -> None:
    rig.add_image("debian-12", "root.img", b"root" * 100, kind="system", use="root")
    assert rig.call("GET", "/image/debian-12/root.img")[0] == 401
    assert rig.call("HEAD", "/image/debian-12/root.img")[0] == 401
    token = rig.hello()
    assert rig.call("GET", "/image/debian-12/root.img", token=token)[:2] == (200, b"root" * 100)
    assert rig.call("GET", "/image/debian-12/other.img", token=token)[0] == 404


def test_an_image_that_is_not_what_the_catalogue_says_is_not_sent(rig: Rig) -> None:
    path = rig.add_image("sledgehammer", "kernel", KERNEL)
    path.write_bytes(KERNEL[:-1])
    assert rig.call("GET", "/image/sledgehammer/kernel")[:2] == (
        503,
        {"code": "image_damaged", "message": "image sledgehammer is damaged: its checksum is wrong"},
    )
    path.unlink()
    assert rig.call("GET", "/image/sledgehammer/kernel")[1]["code"] == "image_missing"


def test_fetched_is_told_when_the_last_byte_went_out(rig: Rig) -> None:
    rig.add_image("ipxe", "undionly.kpxe", b"l" * 5000, kind="loader", use="bios")
    rig.add_image("sledgehammer", "kernel", KERNEL, use="kernel")
    rig.add_image("sledgehammer", "initrd", KERNEL * 3, use="initrd")
    rig.add_image("debian-12", "root.img", KERNEL, kind="system", use="root")
    rig.call("GET", "/image/sledgehammer/kernel", headers={"Range": "bytes=0-100"})
    rig.call("HEAD", "/image/sledgehammer/kernel")
    rig.call("GET", "/image/sledgehammer/initrd")
    rig.call("GET", "/image/debian-12/root.img", token=rig.hello())
    assert rig.fetched() == []
    rig.call("GET", "/image/sledgehammer/kernel")
    until(lambda: rig.fetched() == [("192.168.124.1", "kernel")])
    rig.call("GET", "/image/sledgehammer/initrd")
    rig.call("GET", "/image/ipxe/undionly.kpxe")
    until(lambda: rig.fetched()[1:] == [("192.168.124.1", "loader")])
    rig.call("GET", "/image/sledgehammer/kernel", headers={"Range": "bytes=100-"})
    until(lambda: rig.fetched()[2:] == [("192.168.124.1", "kernel")])


def test_a_download_that_breaks_off_is_not_fetched(rig: Rig) -> None:
    rig.add_image("ipxe", "big.efi", b"x" * 60_000_000, kind="loader", use="efi")
    with socket.create_connection((rig.host, rig.port)) as sock:
        sock.sendall(b"GET /image/ipxe/big.efi HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(10000)
    until(lambda: rig.http.counters().get("cut", 0) + rig.http.counters().get("gone", 0) == 1)
    assert rig.fetched() == []
    assert rig.call("GET", "/image/ipxe/big.efi", headers={"Range": "bytes=0-9"})[1] == b"x" * 10


@pytest.mark.client
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_boots_and_resumes(rig: Rig, tmp_path: Path) -> None:
    rig.add_image("sledgehammer", "initrd", KERNEL * 24, use="initrd")
    out = tmp_path / "got"

    def curl(*words: str) -> str:
        done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert curl(f"{rig.url}/boot/script?mac=52:54:00:aa:00:01").startswith("#!ipxe\n")
    url = f"{rig.url}/image/sledgehammer/initrd"
    curl("-o", str(out), url)
    assert out.read_bytes() == KERNEL * 24
    out.write_bytes(KERNEL)
    curl("-C", "-", "-o", str(out), url)
    assert out.read_bytes() == KERNEL * 24
    assert "304" in curl("-o", "/dev/null", "-w", "%{http_code}", "--etag-compare", str(_etag(tmp_path, rig)), url)
    head = curl("-I", url)
    assert f"Content-Length: {len(KERNEL) * 24}" in head
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-r", "999999999-", url) == "416"
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", f"{rig.url}/image/../../etc/passwd") == "404"


def _etag(tmp_path: Path, rig: Rig) -> Path:
    file = tmp_path / "etag"
    file.write_text(f'"{rig.images[("sledgehammer", "initrd")].sha256}"\n')
    return file
