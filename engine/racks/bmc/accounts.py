"""The accounts of a simulated BMC: the one on its label (user 2), and those that its machine or an administrator makes (IPMI 2.0, 22.26 to
22.30). They outlive the rack's process.

Bounded: MOST users, names of 16 octets, passwords of 20.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

MOST = 10
FACTORY = 2
"""Number of the user on the label. User 1 has no name in IPMI, and is disabled here."""
ADMINISTRATOR, NO_ACCESS = 4, 0x0F


class Label(Protocol):
    """The factory's account."""

    user: str
    password: str


class User(Struct):
    name: str = ""
    password: str = ""
    on: bool = False
    level: int = NO_ACCESS


class Accounts:
    """Of one BMC. `file` keeps the changes; None: they end with this object."""

    def __init__(self, label: Label, file: Path | None = None) -> None:
        self._label, self._file = label, file
        self._made: dict[int, User] = {}
        if file is not None and file.exists():
            self._made = msgspec.json.decode(file.read_bytes(), type=dict[int, User])

    def user(self, number: int) -> User:
        """Raises KeyError for a number that no user has."""
        if not 1 <= number <= MOST:
            raise KeyError(number)
        if number == FACTORY and number not in self._made:
            return User(name=self._label.user, password=self._label.password, on=True, level=ADMINISTRATOR)
        return self._made.get(number, User())

    def change(self, number: int, **fields: object) -> None:
        """Raises KeyError, OSError."""
        self._made = {**self._made, number: msgspec.structs.replace(self.user(number), **fields)}
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(self._made))
            new.replace(self._file)

    def named(self, name: str) -> User | None:
        """Who may log in under this name."""
        found = (self.user(number) for number in range(1, MOST + 1))
        return next((user for user in found if user.on and user.name and user.name == name and user.level != NO_ACCESS), None)

    def accepts(self, name: str, password: str) -> bool:
        user = self.named(name)
        good = hmac.compare_digest(password.encode(), (user.password if user is not None else "").encode())
        return good and user is not None

    @property
    def enabled(self) -> int:
        return sum(self.user(number).on for number in range(1, MOST + 1))
