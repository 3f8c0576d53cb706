"""os-install: the image comes, damaged, in pieces or not at all."""

from __future__ import annotations

import io
import shutil
import tarfile
from typing import Any

import pytest
from writer_lab import image, installer


def test_an_image_that_comes_in_pieces_is_whole(machine: Any) -> None:
    """Each answer breaks off: it goes on where it ended, and no byte comes twice."""
    content = image()
    wanted = installer(machine, content)
    machine.environment = {"CROWBAR_FETCH_PIECE": "6000", "BREAK": "4096"}
    machine.tool("sleep", "")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    asked = [call.split(" -r ")[1].split()[0] for call in machine.calls if call.startswith("curl")]
    assert asked[:3] == ["0-5999", "4096-10095", f"8192-{len(content) - 1}"] or asked[1] == f"4096-{len(content) - 1}", asked
    assert "MiB came, going on from there" in done.out


def test_a_damaged_image_leaves_nothing_that_starts(machine: Any) -> None:
    wanted = installer(machine, image())
    (machine.root / "image").write_bytes(image(os_release="Debian"))
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "the image is damaged" in done.err
    assert done.gives is None
    assert not (machine.root / "fs/sda3/etc/crowbar").exists()
    assert [call.rpartition("/")[2] for call in machine.calls if call.startswith("wipefs")] == ["sda", "sda3", "sda"]
    assert not (machine.folder / "home/kexec").exists(), "nothing is left to be started without firmware"


def test_an_image_that_cannot_be_decompressed_is_damaged(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("zstd", 'head -c 10 >/dev/null; echo "zstd: /*stdin*\\: Data corruption detected" >&2; exit 1')
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: the image is damaged, and cannot be unpacked: zstd: ")


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"GONE": "1"}, "cannot be fetched from http://192.168.124.10/image/debian-12/root.tar.zst: curl: (7) Failed to connect"),
        ({"STATUS": "404", "CROWBAR_FETCH_PATIENCE_S": "300"}, "root.tar.zst: the engine does not have it, or it is damaged there"),
        ({"STATUS": "503"}, "error: 503"),
        ({"BREAK": "2000", "PLAIN": "1"}, "it cannot be gone on with at byte 2000, since the server sent status 200"),
    ],
)
def test_an_image_that_does_not_come(machine: Any, environment: dict[str, str], line: str) -> None:
    wanted = installer(machine, image())
    machine.environment = {"CROWBAR_FETCH_PATIENCE_S": "0", **environment}
    machine.tool("sleep", "")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert line in done.err
    assert not (machine.root / "fs/sda3/etc/crowbar").exists()


@pytest.mark.parametrize("program", ["tee", "sha256sum"])
def test_the_copy_for_the_checksum_cannot_be_made(machine: Any, program: str) -> None:
    """Neither end of the pipe waits for ever for the other."""
    wanted = installer(machine, image())
    there = shutil.which(program)
    machine.tool(program, f'case "$*" in "" | */6) echo "{program}: cannot allocate memory" >&2; exit 1 ;; esac\nexec {there} "$@"')
    done = machine.run("os-install", wanted)  # raises TimeoutExpired if it hangs
    assert (done.code, done.gives) == (1, None)
    assert f"{program}: cannot allocate memory" in done.err
    assert not (machine.root / "fs/sda3/etc/crowbar").exists()


def test_a_client_that_is_killed_has_not_said_how_much_came(machine: Any) -> None:
    """It may have written some bytes, so nothing can be gone on with."""
    wanted = installer(machine, image())
    machine.environment = {"BREAK": "2000", "KILLED": "1"}
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert (
        "cannot be fetched from http://192.168.124.10/image/debian-12/root.tar.zst: the client ended and did not say how much came"
        in done.err
    )
    assert sum(call.startswith("curl") for call in machine.calls) == 1


def test_an_image_of_another_length(machine: Any) -> None:
    wanted = installer(machine, image())
    wanted["image"]["size"] -= 1024
    machine.environment = {"PLAIN": "1"}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert f"it has {wanted['image']['size'] + 1024} bytes, not {wanted['image']['size']}" in done.err


def test_an_image_without_a_kernel(machine: Any) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("boot/nothing"))
    done = machine.run("os-install", installer(machine, out.getvalue()))
    assert done.code == 1
    assert "the image is no system: there is no kernel" in done.err
