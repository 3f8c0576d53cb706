"""Where the tables of a store are: in a file of its folder, or in the database that its file `database` names.

A store is a folder in both cases. With `database` (one line, `postgresql://...`), the tables and the journal are in PostgreSQL. These stay
files of the folder, on the admin node that made them:
* images, packages, bundles, barclamps and stages: named by content or imported by a person, and read only. They are copied, not shared.
* hardware records, vitals and logs of consoles and attempts: nothing is decided by them, a later look makes them anew, and a rack writes
  megabytes a minute. In the database each of them would cost a synchronous commit.
* sealed secrets, beside their keys in STORE.keys: a database that several machines read is no place for them.
So another admin node that takes the database over needs copies of the first and the last.
"""

from __future__ import annotations

from pathlib import Path

from . import file, postgres
from .database import Database
from .errors import StoreError, from_os

DATABASE = "database"
LONGEST = 4096


def named(directory: Path) -> str:
    """The name of the database that holds the tables. Empty: SQLite, in the folder. Raises StoreError."""
    path = directory / DATABASE
    try:
        with path.open("rb") as lines:
            data = lines.read(LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise from_os(error, path) from error
    name = data.decode(errors="replace").strip()
    if not postgres.is_name(name) or len(name.splitlines()) != 1 or len(data) > LONGEST:
        raise StoreError(f"{path} must hold one line, postgresql://HOST/DATABASE: correct it, or delete it if the store is in {file.FILE}")
    return postgres.checked_name(name)


def there(directory: Path) -> bool:
    """True if the folder has a store or names one. Asks no database. Raises OSError for a folder that may not be looked at."""
    for name in (file.FILE, DATABASE):
        try:
            (directory / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return True
    return False


def begun(directory: Path) -> bool:
    """True if an engine has made the tables. Raises StoreError for what cannot be a store."""
    name = named(directory)
    if not name:
        return file.is_begun(directory / file.FILE)
    db = postgres.connect(name)
    try:
        return db.version() > 0
    finally:
        db.close()


def lead(directory: Path, told: file.Promised) -> Database:
    """The tables for the engine that has the folder's lock, checked and migrated. Makes them if there are none. Raises StoreError."""
    name = named(directory)
    return postgres.lead(name, directory, told) if name else file.lead(directory, told)


def read(directory: Path) -> Database:
    """The tables, read-only. Raises StoreError."""
    name = named(directory)
    return postgres.read(name) if name else file.open_for_reading(file.path_of(directory))
