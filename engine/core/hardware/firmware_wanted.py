"""Wanted versions of firmware, and the difference to what a machine has. Pure.

Rules
* A wish is for a part (`bios`, `bmc`, `nic`, ...) of machines and models by patterns; the most exact wish counts, the longest patterns.
* `U30 v2.54 (02/21/2022)` is the version 2.54: a version that stands as a word in the other one is the same.
* Which of two versions is older is said only where both are numbers with dots behind the same letters. Otherwise the difference is
  `unknown`, and nobody may call the new one better.
* A version that is newer than wanted is a difference too. It is staged only where the wish allows to go back.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ...parts import Firmware

Difference = Literal["same", "older", "newer", "unknown", "absent"]
"""What the machine has, compared with the wish."""


class FirmwareWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    part: str
    version: str
    file: str = ""
    """Its name in the bundle. Empty: the version is wanted, and nobody can stage it."""
    product: str = "*"
    """Pattern of the machine's maker and model."""
    model: str = "*"
    """Pattern of the firmware's own name: a drive's or a card's model."""
    back: bool = False
    """Whether a newer version is replaced by this one."""
    sha256: str = ""
    """Of the file. Empty: it is not compared."""

    @property
    def in_band(self) -> bool:
        """True if its file is one of fwupd's, which runs on the machine. All others go through the BMC."""
        return self.file.endswith(".cab")


class FirmwareDifference(Struct, frozen=True, kw_only=True):
    wish: FirmwareWish
    have: Firmware | None
    difference: Difference
    why: str = ""
    """In words, for `unknown` and for what is not staged."""

    @property
    def stage(self) -> bool:
        """Whether the file shall be staged."""
        known = self.difference == "older" or (self.difference == "newer" and self.wish.back)
        return known and bool(self.wish.file) and self.have is not None and self.have.updateable is not False


def compare_firmware(wishes: Sequence[FirmwareWish], found: Iterable[Firmware], vendor: str, model: str) -> tuple[FirmwareDifference, ...]:
    """One difference for each firmware that a wish is for, and one for each wish that no firmware of this machine fits."""
    product = f"{vendor} {model}".strip().lower()
    mine = [one for one in wishes if fnmatch.fnmatchcase(product, one.product.lower())]
    out: list[FirmwareDifference] = []
    used: set[int] = set()
    for firmware in found:
        fitting = [(len(one.product) + len(one.model), at) for at, one in enumerate(mine) if _fits(one, firmware)]
        if fitting:
            at = max(fitting)[1]
            used |= {number for _, number in fitting}
            out.append(_difference(mine[at], firmware))
    for at, wish in enumerate(mine):
        if at not in used and wish.model == "*":
            out.append(
                FirmwareDifference(wish=wish, have=None, difference="absent", why=f"the machine names no firmware of its {wish.part}")
            )
    return tuple(out)


def _fits(wish: FirmwareWish, firmware: Firmware) -> bool:
    return wish.part == firmware.part and fnmatch.fnmatchcase(firmware.name.lower(), wish.model.lower())


def _difference(wish: FirmwareWish, have: Firmware) -> FirmwareDifference:
    found, why = compared(have.version, wish.version)
    if found in ("older", "newer") and not wish.file:
        why = "no file for it is in the bundle"
    elif found == "newer" and not wish.back:
        why = "it is newer than wanted, and the wish does not allow to go back"
    elif found in ("older", "newer") and have.updateable is False:
        why = "the machine says that this firmware cannot be updated"
    return FirmwareDifference(wish=wish, have=have, difference=found, why=why)


def compared(have: str, want: str) -> tuple[Difference, str]:
    """The difference, and why it is `unknown`."""
    if same_version(have, want):
        return "same", ""
    left, right = _numbers(have), _numbers(want)
    if left is None or right is None or left[0] != right[0]:
        return "unknown", f"which of {have} and {want} is older cannot be told"
    if left == right:  # 2.10 and 2.10.0
        return "same", ""
    return ("older" if left[1] < right[1] else "newer"), ""


def same_version(one: str, other: str) -> bool:
    words, others = _words(one), _words(other)
    return bool(one and other) and (words in others or others in words)


def _words(version: str) -> str:
    return f" {re.sub('[^0-9a-z.]+', ' ', version.lower()).strip()} ".replace(" v", " ")


def _numbers(version: str) -> tuple[str, tuple[int, ...]] | None:
    """Letters before, and the numbers: of the only word with dots, or of the only word with digits. None: there is none, or several."""
    words = [word for word in _words(re.sub(r"\(.*?\)", " ", version)).split() if re.search(r"\d", word)]
    dotted = [word for word in words if "." in word]
    only = dotted if len(dotted) == 1 else words
    found = re.fullmatch(r"([a-z]{0,8}?)(\d{1,9}(?:\.\d{1,9}){0,7})", only[0]) if len(only) == 1 else None
    if found is None:
        return None
    numbers = [int(number) for number in found[2].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return found[1], tuple(numbers)
