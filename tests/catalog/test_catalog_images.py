"""Image files on this machine, and boot scripts as literals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engine.core.boot.loaders import candidates
from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.effects import SendDhcp
from engine.events import Commit, DhcpAsked, Happened, Started
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.images.shelf import Shelf, image_states, open_images, synthetic_bytes, with_loaders_there
from engine.netboot.script import render_boot, render_disk, render_disk_menu, render_first_menu, render_menu, word
from engine.netboot.templates import TemplateWrong
from engine.quirks import DISK_BOOT
from engine.wire.dhcp import DhcpKind, DhcpRequest

PLAN = """crowbar: 1
site: {name: a, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.80}}}
deployments: {}
"""
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def whole() -> Catalog:
    return shipped()


def test_made_images_are_the_same_each_time(whole: Catalog, tmp_path: Path) -> None:
    images = open_images(whole, tmp_path / "one", synthetic=True)
    assert images.reasons == {}
    sizes = {name: {file: one.size for file, one in files.items()} for name, files in images.files.items()}
    assert sizes["debian-12"] == {"root.ext4.zst": 20 << 20}
    assert sizes["sledgehammer"] == {"vmlinuz": 1 << 20, "initrd.img": 4 << 20}
    assert all(size >= 1 << 20 for size in sizes["loader"].values())
    again = open_images(whole, tmp_path / "two", synthetic=True)
    for name, files in images.files.items():
        for file, one in files.items():
            assert hashlib.sha256(Path(one.path).read_bytes()).hexdigest() == one.sha256
            assert again.files[name][file].sha256 == one.sha256
    facts = images.facts("debian-12")
    assert facts is not None
    assert facts["path"] == "/image/debian-12/root.ext4.zst"
    assert images.facts("loader") is None
    assert images.loaders().keys() == {"undionly.kpxe", "snponly.efi", "snponly-arm64.efi"}
    kernel = images.file("sledgehammer", "vmlinuz")
    assert kernel is not None
    assert (kernel.kind, kernel.use) == ("discovery", "kernel")
    assert images.file("sledgehammer", "../x") is None


def test_every_loader_that_dhcp_offers_is_served(whole: Catalog, tmp_path: Path) -> None:
    """By TFTP from memory and by HTTP; a machine that is told of a file that is not there would wait for ever."""
    whole = with_loaders_there(whole, tmp_path, synthetic=True)
    rig = Work(World.new(whole))
    offered = {name for arch in (None, *range(64)) for name in candidates(rig, arch)}
    step(rig, Happened(1.0, 1.0, Started(installation="i", admin="admin")))
    step(rig, Happened(1.0, 1.0, Commit(who="test", plan=read(PLAN, "plan.yml", whole))))
    for vendor in ("PXEClient", "HTTPClient"):
        for arch in (None, *range(64)):
            rig.effects.clear()
            asked = DhcpRequest(kind=DhcpKind.DISCOVER, xid=1, mac="52:54:00:00:00:01", vendor_class=f"{vendor}:Arch", arch=arch)
            step(rig, Happened(2.0, 2.0, DhcpAsked(request=asked, interface="eth0")))
            offered |= {one.reply.filename.rpartition("/")[2] for one in rig.effects if isinstance(one, SendDhcp)}
    assert len(offered) >= 3
    assert all(offered)
    images = open_images(whole, tmp_path, synthetic=True)
    assert offered <= images.loaders().keys()
    for name in offered:
        found = images.file("loader", name)
        assert found is not None
        assert Path(found.path).stat().st_size == found.size > 0


def test_the_content_is_fixed() -> None:
    made = synthetic_bytes("debian-12", "root.ext4.zst", 32)
    assert made == synthetic_bytes("debian-12", "root.ext4.zst", 64)[:32]
    assert made.hex() == hashlib.shake_256(b"crowbar synthetic image/debian-12/root.ext4.zst").hexdigest(32)


def test_checksums_are_kept(whole: Catalog, tmp_path: Path) -> None:
    first = open_images(whole, tmp_path, synthetic=True)
    root = Path(first.files["debian-12"]["root.ext4.zst"].path)
    before = root.stat()
    second = open_images(whole, tmp_path, synthetic=True)
    assert second == first
    assert root.stat().st_mtime_ns == before.st_mtime_ns, "not made again"
    (tmp_path / "checksums.json").write_text("{not json")
    assert open_images(whole, tmp_path, synthetic=True) == first


def test_a_damaged_made_file_is_made_again(whole: Catalog, tmp_path: Path) -> None:
    first = open_images(whole, tmp_path, synthetic=True)
    root = Path(first.files["sledgehammer"]["vmlinuz"].path)
    root.write_bytes(b"x" * (1 << 20))
    assert open_images(whole, tmp_path, synthetic=True) == first
    root.write_bytes(b"short")
    assert open_images(whole, tmp_path, synthetic=True) == first


def built(tmp_path: Path, content: bytes = b"root") -> Path:
    folder = tmp_path / "images" / "debian-12"
    folder.mkdir(parents=True)
    (folder / "root.ext4.zst").write_bytes(content)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'root').hexdigest()}  root.ext4.zst\n")
    return tmp_path / "images"


def test_built_images(whole: Catalog, tmp_path: Path) -> None:
    images = open_images(whole, built(tmp_path), synthetic=False)
    assert images.files["debian-12"]["root.ext4.zst"].size == 4
    assert images.missing("loader").code == "image_missing"
    assert images.missing("what").code == "image_missing"


@pytest.mark.parametrize("harm", ["content", "sums", "file"])
def test_built_images_that_are_not_right(whole: Catalog, tmp_path: Path, harm: str) -> None:
    folder = built(tmp_path, b"RooT" if harm == "content" else b"root")
    if harm == "sums":
        (folder / "debian-12/SHA256SUMS").unlink()
    if harm == "file":
        (folder / "debian-12/root.ext4.zst").unlink()
    reason = open_images(whole, folder, synthetic=False).missing("debian-12")
    assert reason.code == ("image_damaged" if harm == "content" else "image_missing")
    assert reason.fields == {"image": "debian-12"}


def test_damage_that_comes_later_is_seen(whole: Catalog, tmp_path: Path) -> None:
    folder = built(tmp_path)
    assert "debian-12" in open_images(whole, folder, synthetic=False).files
    (folder / "debian-12/root.ext4.zst").write_bytes(b"other")
    assert open_images(whole, folder, synthetic=False).missing("debian-12").code == "image_damaged"


def test_a_running_engine_does_not_serve_what_was_damaged_meanwhile(whole: Catalog, tmp_path: Path) -> None:
    folder = built(tmp_path)
    shelf = Shelf(whole, folder, synthetic=False)
    assert shelf.current().file("debian-12", "root.ext4.zst") is not None
    (folder / "debian-12/root.ext4.zst").write_bytes(b"ROOT")
    assert shelf.current().file("debian-12", "root.ext4.zst") is None
    assert shelf.current().missing("debian-12").code == "image_damaged"
    (folder / "debian-12/root.ext4.zst").unlink()
    assert shelf.current().missing("debian-12").code == "image_missing"
    (folder / "debian-12/root.ext4.zst").write_bytes(b"root")
    assert shelf.current().file("debian-12", "root.ext4.zst") is not None, "mended: it is served again"


def test_states_write_nothing(tmp_path: Path) -> None:
    states = {state["name"]: state for state in image_states(tmp_path / "none")}
    assert not (tmp_path / "none").exists()
    assert states["debian-12"]["whole"] is False
    assert states["debian-12"]["reason"] == "image debian-12 is missing"
    built(tmp_path)
    states = {state["name"]: state for state in image_states(tmp_path)}
    assert (states["debian-12"]["whole"], states["debian-12"]["size"]) == (True, 4)


# -- boot scripts -------------------------------------------------------------------------------------------------

URL = "http://192.168.124.10"
NONCE = "0123456789abcdef" * 2


def test_boot_script_golden(whole: Catalog) -> None:
    image = whole.images["sledgehammer"]
    arguments = (word("crowbar.mac=52:54:00:00:00:01"), word("quiet"))
    assert render_boot(image, URL, NONCE, arguments) == (GOLDEN / "boot.ipxe").read_text()
    assert "crowbar.nonce" not in render_boot(image, URL, "")


def test_boot_script_of_another_image(whole: Catalog, tmp_path: Path) -> None:
    template = tmp_path / "boot.ipxe.j2"
    template.write_text("#!ipxe\nkernel {{ url }}/{{ kernel }}\n")
    image = whole.images["sledgehammer"]
    assert render_boot(image, URL, NONCE, template=template) == f"#!ipxe\nkernel {URL}/vmlinuz\n"


def test_templates_cannot_reach_objects(whole: Catalog, tmp_path: Path) -> None:
    image = whole.images["sledgehammer"]
    for text, error in (("{{ url.__class__.__mro__ }}", "SecurityError"), ("{{ secret }}", "UndefinedError")):
        template = tmp_path / f"{error}.j2"
        template.write_text(text)
        with pytest.raises(TemplateWrong, match=error):
            render_boot(image, URL, NONCE, template=template)


def test_menu_golden(whole: Catalog) -> None:
    """The same for GRUB. What leaves by it is checked like a script."""
    image = whole.images["sledgehammer"]
    arguments = (word("crowbar.mac=52:54:00:00:00:01"),)
    assert render_menu(image, URL, NONCE, arguments) == (GOLDEN / "boot.grub").read_text()
    assert "crowbar.env=other" in render_menu(image, URL, "", environment="other")
    with pytest.raises(ValueError, match="nonce"):
        render_menu(image, URL, "x")


def test_grub_is_told_where_to_ask() -> None:
    assert "configfile (http,192.168.124.10)/boot/grub.cfg?mac=$net_default_mac" in render_first_menu(URL).splitlines()
    with pytest.raises(ValueError, match="URL"):
        render_first_menu("http://x)/")


@pytest.mark.parametrize(
    ("quirk", "last"),
    [
        ("", ["iseq ${platform} efi && exit 1 ||", "sanboot --no-describe --drive 0x80 || exit 1"]),
        ("exit", ["exit"]),
        ("exit-1", ["exit 1"]),
        ("sanboot", ["sanboot --no-describe --drive 0x80 || exit 1"]),
        ("grub", [f"iseq ${{platform}} efi && chain {URL}/image/loader/grubx64.efi ||", "sanboot --no-describe --drive 0x80 || exit 1"]),
    ],
)
def test_disk_script(quirk: str, last: list[str]) -> None:
    lines = render_disk(quirk, URL).splitlines()
    assert lines[0] == "#!ipxe"
    assert lines[3:] == last


def test_disk_menu_names_files_only() -> None:
    menu = render_disk_menu()
    assert "/EFI/debian/shimx64.efi" in menu
    assert menu.splitlines()[-1] == "exit"


def test_the_values_of_disk_boot_are_those_of_the_table() -> None:
    """The attribute allows, the page lists and the script renders the same ones."""
    assert shipped().attributes["disk-boot"].schema["enum"] == list(filter(None, DISK_BOOT))
    page = (Path(__file__).parents[2] / "docs" / "boot.md").read_text(encoding="utf-8")
    assert [name for name in filter(None, DISK_BOOT) if f"| `{name}` |" not in page] == []
    for name in DISK_BOOT:
        assert render_disk(name, URL).startswith("#!ipxe")


@pytest.mark.parametrize(
    "bad",
    ["", "a b", "a\nb", "a\n", "x=${net0/mac}", 'x="y"', "x='y'", "a;b", "a||b", "a&b", "#x", "-x", "{{x}}", "a\\b", "é", "x" * 600],
)
def test_words_that_could_be_more(bad: str) -> None:
    with pytest.raises(ValueError, match="cannot be a word"):
        word(bad)


@pytest.mark.parametrize(
    ("url", "nonce"),
    [
        ("http://x/y", NONCE),
        ("http://x\nchain", NONCE),
        ("ftp://x", NONCE),
        ("http://${x}", NONCE),
        ("http://", NONCE),
        (URL, "abc"),
        (URL, "g" * 32),
        (URL, NONCE + "\n"),
        (URL, NONCE.upper()),
    ],
)
def test_urls_and_nonces_that_are_not_fit(whole: Catalog, url: str, nonce: str) -> None:
    with pytest.raises(ValueError, match=r"URL|nonce"):
        render_boot(whole.images["sledgehammer"], url, nonce)


def test_only_discovery_images_boot(whole: Catalog) -> None:
    with pytest.raises(ValueError, match="has no kernel to boot"):
        render_boot(whole.images["debian-12"], URL, NONCE)
    with pytest.raises(ValueError, match="not one of"):
        render_disk("shell")
