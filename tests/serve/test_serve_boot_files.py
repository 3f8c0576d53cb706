"""What TFTP serves besides loaders: GRUB's configurations, the site's initramfs, kernel and initrd of discovery images; and nothing else."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import reasons
from engine.effects import BootScript, Refuse
from engine.events import Event, Fetched, ScriptAsked
from engine.files.catalog import shipped
from engine.netboot.answers import BootAnswers
from engine.netboot.files import ASKS_S, BootFiles
from engine.serve.image_file import ImageFile
from engine.serve.tftp import Refusal, TftpFile
from engine.trust.tokens import Keys

MAC = "52:54:00:00:00:01"
URL = "http://192.168.124.10"


class Rig:
    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.full = self.silent = self.refuses = self.disk = False
        self.now = 0.0
        (path / "vmlinuz").write_bytes(b"kernel")
        (path / "initrd.img").write_bytes(b"initrd")
        (path / "root").write_bytes(b"system")
        self.images = {
            ("sledgehammer", "vmlinuz"): ImageFile(path=str(path / "vmlinuz"), size=6, sha256="", kind="discovery", use="kernel"),
            ("sledgehammer", "initrd.img"): ImageFile(path=str(path / "initrd.img"), size=6, sha256="", kind="discovery", use="initrd"),
            ("debian-12", "root"): ImageFile(path=str(path / "root"), size=6, sha256="", kind="system", use="root"),
            ("sledgehammer", "short"): ImageFile(path=str(path / "root"), size=7, sha256="", kind="discovery", use="kernel"),
        }
        answers = BootAnswers(catalog=shipped, url=URL, tls_url="https://192.168.124.10", authorized_key="ssh-ed25519 A", ca=b"PEM")
        self.files = BootFiles(
            answers=answers,
            loaders=lambda: {"grubx64.efi": b"grub"},
            image=lambda name, file: self.images.get((name, file)),
            submit=self.submit,
            nonce=Keys(b"k" * 32).nonce,
            back=lambda peer: peer.replace("127.0.0", "192.168.124"),
            clock=lambda: self.now,
        )

    def submit(self, event: Event) -> bool:
        if self.full:
            return False
        self.events.append(event)
        if isinstance(event, ScriptAsked) and not self.silent:
            threading.Thread(target=self.answer, args=(event,)).start()
        return True

    def answer(self, event: ScriptAsked) -> None:
        effect: BootScript | Refuse = BootScript(
            request=event.request,
            mac=event.mac,
            node="",
            environment="sledgehammer",
            disk=self.disk,
            nonce="" if self.disk else event.nonce,
        )
        if self.refuses:
            effect = Refuse(request=event.request, reason=reasons.banned(mac=event.mac))
        assert self.files.answer(effect)

    def get(self, name: str) -> Any:
        found = self.files.resolve(name, "127.0.0.7")
        return bytes(found.body) if isinstance(found, TftpFile) else found


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_grub_is_led_to_what_is_decided_now(rig: Rig) -> None:
    assert rig.get("grubx64.efi") == b"grub"
    first = rig.get("/grub/grub.cfg").decode()
    assert "configfile (tftp,192.168.124.10)/boot/grub.cfg-$net_default_mac" in first.splitlines()
    menu = rig.get(f"/boot/grub.cfg-{MAC}").decode()
    asked = rig.events[0]
    assert isinstance(asked, ScriptAsked)
    assert (asked.mac, asked.address) == (MAC, "192.168.124.7")
    assert "(tftp,192.168.124.10)/image/sledgehammer/vmlinuz" in menu
    nonce = menu.partition("crowbar.nonce=")[2].split(";")[0]
    assert Keys(b"k" * 32).check_nonce(nonce) == asked.nonce


def test_a_machine_that_is_to_boot_its_disk(rig: Rig) -> None:
    rig.disk = True
    menu = rig.get(f"boot/grub.cfg-{MAC}").decode()
    assert "chainloader" in menu
    assert "nonce" not in menu


def test_kernel_initrd_and_site_are_mapped_and_told(rig: Rig) -> None:
    for name, body in (("image/sledgehammer/vmlinuz", b"kernel"), ("/image/sledgehammer/initrd.img", b"initrd")):
        assert rig.get(name) == body
        rig.files.fetched("127.0.0.7", name, 6, 0.1, True)
    assert rig.events == [Fetched(address="192.168.124.7", what="kernel")]
    assert len(rig.get("boot/site.img")) > 100
    rig.files.fetched("127.0.0.7", "grubx64.efi", 4, 0.1, True)
    rig.files.fetched("127.0.0.7", "grubx64.efi", 4, 0.1, False)
    assert rig.events[1:] == [Fetched(address="192.168.124.7", what="loader")]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "image/debian-12/root",
        "image/sledgehammer/none",
        "image/sledgehammer/short",
        "image/../etc/passwd",
        "image/sledgehammer/../x",
        "/etc/passwd",
        "boot/grub.cfg-",
        "boot/grub.cfg-52:54:00:00:00:0g",
        "boot/grub.cfg-52-54-00-00-00-01",
        "grub/grub.cfg/x",
        "boot/site.img/",
    ],
)
def test_everything_else_is_refused(rig: Rig, name: str) -> None:
    assert isinstance(rig.get(name), Refusal)
    assert rig.events == []


def test_refused_and_busy(rig: Rig) -> None:
    rig.refuses = True
    assert rig.get(f"boot/grub.cfg-{MAC}") == Refusal(code=2, message="refused")
    rig.full = True
    assert rig.get(f"boot/grub.cfg-{MAC}").message == "busy, ask again"


def test_an_engine_that_does_not_answer_holds_nobody_up_for_long(rig: Rig) -> None:
    rig.silent = True
    assert rig.get(f"boot/grub.cfg-{MAC}").message == "busy, ask again"
    assert not rig.files.answer(BootScript(request=rig.events[0].request, mac=MAC, node="", environment="", disk=True, nonce=""))  # type: ignore[attr-defined]


def test_who_asks_without_end_is_told_to_wait(rig: Rig) -> None:
    for _ in range(int(ASKS_S)):
        assert isinstance(rig.get(f"boot/grub.cfg-{MAC}"), bytes)
    assert isinstance(rig.get(f"boot/grub.cfg-{MAC}"), Refusal)
    rig.now += 1.0
    assert isinstance(rig.get(f"boot/grub.cfg-{MAC}"), bytes)


@given(name=st.text(max_size=80))
def test_no_name_breaks_it(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert isinstance(Rig(tmp_path_factory.mktemp("rig")).files.resolve(name, "127.0.0.7"), TftpFile | Refusal)


BEHIND = "\ufffd"
"""How the codec reads an octet that is no printable ASCII."""


@pytest.mark.parametrize(
    "tail",
    [
        BEHIND,
        BEHIND * 3,
        "+" + BEHIND,
        "a" + BEHIND,
        "R" + BEHIND + "x",
        "=\x07"[:1] + BEHIND,
        "+",
        "<",
        f"C{BEHIND}undionly.kpxe",
        " " * 100,
    ],
)
def test_a_name_that_a_boot_rom_reads_past_its_end_is_served(rig: Rig, tail: str) -> None:
    """The octets behind option 67 are the code and the length of the next option, and its value."""
    found = rig.files.resolve(f"grubx64.efi{tail}", "127.0.0.7")
    assert isinstance(found, TftpFile)
    assert (bytes(found.body), found.name) == (b"grub", "grubx64.efi")


@pytest.mark.parametrize("tail", [".bak", "2", "-old", "_", "~", "/../../etc/passwd", f"{BEHIND}/etc/passwd", f"/{BEHIND}", BEHIND * 129])
def test_a_name_that_somebody_may_have_chosen_is_refused_with_what_it_begins_with(rig: Rig, tail: str) -> None:
    assert rig.get(f"grubx64.efi{tail}") == Refusal(message="no such file; it begins with grubx64.efi")


@pytest.mark.parametrize(
    "name", [BEHIND, f"etc{BEHIND}", f"image/sledgehammer/vmlinuz{BEHIND}", f"boot/grub.cfg-{MAC}{BEHIND}", f"{BEHIND}grubx64.efi"]
)
def test_octets_that_cannot_be_read_never_reach_anything_but_a_loader(rig: Rig, name: str) -> None:
    assert rig.get(name) == Refusal()
    assert rig.events == []


def test_the_exact_name_is_served_as_it_is(rig: Rig) -> None:
    found = rig.files.resolve("grubx64.efi", "127.0.0.7")
    assert isinstance(found, TftpFile)
    assert found.name == ""
