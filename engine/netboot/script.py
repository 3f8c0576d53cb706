"""Boot scripts for iPXE and configurations for GRUB, from the images' templates, with typed words only.

A boot script is code that a machine runs with all its rights. So every word is checked before it reaches a template: it has no space,
quote, `$`, `;`, `|`, `&`, `#`, newline or braces, and does not begin with `-`. The templates are rendered in Jinja's sandbox and see
only text, never objects. An undefined name is an error, not an empty place.

`${...}` in a template is iPXE's own variable, which the loader expands (https://ipxe.org/cfg).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NewType

from ..definitions import BOOT_WORD, ImageDef
from ..quirks import DISK_BOOT
from .templates import Template, template

Word = NewType("Word", str)
"""One word of a boot script, checked by `word`."""

_URL = re.compile(r"http://[a-z0-9]([a-z0-9.-]{0,253}[a-z0-9])?(:[0-9]{1,5})?")
_NONCE = re.compile(r"[0-9a-f]{32,64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

DISK_LOADERS = (
    "/EFI/debian/shimx64.efi",
    "/EFI/debian/grubx64.efi",
    "/EFI/ubuntu/shimx64.efi",
    "/EFI/rocky/shimx64.efi",
    "/EFI/almalinux/shimx64.efi",
    "/EFI/fedora/shimx64.efi",
    "/EFI/BOOT/BOOTX64.EFI",
    "/EFI/debian/grubaa64.efi",
    "/EFI/BOOT/BOOTAA64.EFI",
)
"""Files that GRUB looks for on the disks of a UEFI machine, in this order."""


def word(text: str) -> Word:
    """Checks one word. Raises ValueError with a sentence."""
    if not BOOT_WORD.fullmatch(text):
        raise ValueError(f"{text[:60]!r} cannot be a word of a boot script")
    return Word(text)


def render_boot(
    image: ImageDef, url: str, nonce: str, arguments: tuple[Word, ...] = (), template: Path | None = None, environment: str = ""
) -> str:
    """The script that boots an image over the network.

    `url` is the engine's, without a slash at its end; `nonce` is hex, or empty for a boot without a claim. `template` is
    the image's own `boot.ipxe.j2`, else sledgehammer's is used. `environment` is what it makes, where that is not its name.
    Raises ValueError for what is not fit.
    """
    which = str(template) if template and template.is_file() else "boot.ipxe"
    return _template(which).render(**_boot_words(image, url, nonce, arguments, environment))


def render_menu(image: ImageDef, url: str, nonce: str, arguments: tuple[Word, ...] = (), environment: str = "", tftp: bool = False) -> str:
    """The same as a GRUB configuration. `tftp`: GRUB fetches everything by TFTP."""
    words = _boot_words(image, url, nonce, arguments, environment)
    return _template("boot.grub").render(files=_files(url, tftp), again=_again(url, tftp), **words)


def _boot_words(image: ImageDef, url: str, nonce: str, arguments: tuple[Word, ...], environment: str) -> dict[str, object]:
    _check(url)
    if nonce and not _NONCE.fullmatch(nonce):
        raise ValueError("the nonce is not 32 to 64 hex digits")
    for use in ("kernel", "initrd"):
        if not _FILE.fullmatch(image.files.get(use, "")):
            raise ValueError(f"image {image.name!r} has no {use} to boot")
    return {
        "name": word(image.name),
        "environment": word(environment or image.name),
        "version": word(image.version) if image.version else "",
        "kernel": image.files["kernel"],
        "initrd": image.files["initrd"],
        "url": url,
        "nonce": nonce,
        "arguments": [word(text) for text in (*image.arguments, *arguments)],
    }


def render_disk(quirk: str = "", url: str = "") -> str:
    """The script with which a machine continues to its own disk. Raises ValueError for a quirk that is not in DISK_BOOT."""
    if quirk not in DISK_BOOT:
        raise ValueError(f"{quirk[:60]!r} is not one of {', '.join(filter(None, DISK_BOOT))}")
    commands = DISK_BOOT[quirk].value
    if any("URL" in command for command in commands):
        _check(url)
    return _template("boot-disk.ipxe").render(commands=[command.replace("URL", url) for command in commands])


def render_disk_menu() -> str:
    """The same for GRUB."""
    return _template("boot-disk.grub").render(loaders=[word(name) for name in DISK_LOADERS])


def render_first_menu(url: str, tftp: bool = False) -> str:
    """The configuration that GRUB's net image finds by TFTP: it names the real one."""
    _check(url)
    return _template("grub.cfg").render(again=_again(url, tftp), url=url)


def _files(url: str, tftp: bool) -> str:
    """GRUB's name for the engine's HTTP or TFTP service. Debian's signed GRUB speaks only TFTP."""
    host = url.removeprefix("http://")
    return f"(tftp,{host.partition(':')[0]})" if tftp else f"(http,{host})"


def _again(url: str, tftp: bool) -> str:
    """The path where GRUB asks what to boot."""
    return _files(url, tftp) + ("/boot/grub.cfg-$net_default_mac" if tftp else "/boot/grub.cfg?mac=$net_default_mac")


def _check(url: str) -> None:
    if not _URL.fullmatch(url):
        raise ValueError(f"{url[:60]!r} cannot be the URL of the engine")


def _template(which: str) -> Template:
    images = Path(__file__).resolve().parents[2] / "images"
    shipped = {"boot.ipxe": images / "sledgehammer" / "boot.ipxe.j2"}
    shipped |= {name: images / f"{name}.j2" for name in ("boot-disk.ipxe", "boot.grub", "boot-disk.grub", "grub.cfg")}
    return template(shipped.get(which) or Path(which))
