"""iPXE scripts from the images' templates, over typed words only.

A boot script is code that a machine runs with all its rights, so nothing reaches a template that has not been checked
here: a word has no space, quote, `$`, `;`, `|`, `&`, `#`, newline or braces, and does not begin with `-`. The templates
are rendered in Jinja's sandbox and see text only, never objects; an undefined name is an error, not an empty place.

`${...}` in a template is iPXE's own variable, expanded by the loader (https://ipxe.org/cfg).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NewType

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from .definitions import ImageDef

Word = NewType("Word", str)
"""One word of a boot script, checked by `word`."""

WORD = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:=,@+%~-]{0,511}")
_URL = re.compile(r"http://[a-z0-9]([a-z0-9.-]{0,253}[a-z0-9])?(:[0-9]{1,5})?")
_NONCE = re.compile(r"[0-9a-f]{32,64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

QUIRKS: dict[str, str] = {
    "": "exit",
    "exit": "exit",
    "exit-1": "exit 1",
    "sanboot": "sanboot --no-describe --drive 0x80",
}
"""How a machine's firmware goes on to its disk -> what iPXE does. `exit` gives the next entry of the boot order its
turn; some firmware stops there unless iPXE reports a failure (`exit-1`); BIOS machines whose boot order has the network
alone need `sanboot`."""


def word(text: str) -> Word:
    """Checks one word. Raises ValueError with a sentence."""
    if not WORD.fullmatch(text):
        raise ValueError(f"{text[:60]!r} cannot be a word of a boot script")
    return Word(text)


def render_boot(image: ImageDef, url: str, nonce: str, arguments: tuple[Word, ...] = (), template: Path | None = None) -> str:
    """The script that boots a discovery image over the network.

    `url` is the engine's, without a slash at its end; `nonce` is hex, or empty for a boot without a claim. `template` is
    the image's own `boot.ipxe.j2`, else sledgehammer's is used. Raises ValueError for what is not fit.
    """
    if not _URL.fullmatch(url):
        raise ValueError(f"{url[:60]!r} cannot be the URL of the engine")
    if nonce and not _NONCE.fullmatch(nonce):
        raise ValueError("the nonce is not 32 to 64 hex digits")
    for use in ("kernel", "initrd"):
        if not _FILE.fullmatch(image.files.get(use, "")):
            raise ValueError(f"image {image.name!r} has no {use} to boot")
    words = [word(text) for text in (*image.arguments, *arguments)]
    return _template(str(template) if template and template.is_file() else "").render(
        name=word(image.name),
        version=word(image.version) if image.version else "",
        kernel=image.files["kernel"],
        initrd=image.files["initrd"],
        url=url,
        nonce=nonce,
        arguments=words,
    )


def render_disk(quirk: str = "") -> str:
    """The script that lets a machine go on to its own disk. Raises ValueError for a quirk that is not in QUIRKS."""
    if quirk not in QUIRKS:
        raise ValueError(f"{quirk[:60]!r} is not one of {', '.join(filter(None, QUIRKS))}")
    return _template("disk").render(command=QUIRKS[quirk])


@cache
def _template(which: str) -> _Rendered:
    images = Path(__file__).resolve().parent.parent / "images"
    shipped = {"": images / "sledgehammer" / "boot.ipxe.j2", "disk": images / "boot-disk.ipxe.j2"}
    return _Rendered(shipped.get(which) or Path(which))


class _Rendered:
    """A template that was read once."""

    def __init__(self, file: Path) -> None:
        environment = SandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._template = environment.from_string(file.read_text(encoding="utf-8"))

    def render(self, **values: object) -> str:
        return self._template.render(**values)
