"""The part of the public API that every command needs: the errors whose text a person is to read, and which program this is."""

from __future__ import annotations

from ..attach.desk import program_version
from ..attach.place import AttachError
from ..bundles import BundleError
from ..files.clamps.content import BarclampError
from ..files.key_file import KeyFileError
from ..files.mistakes import CatalogError, PlanError
from ..serve import ServiceError
from ..store.store import Deposed, StoreError
from ..trust.vault import VaultError

__all__ = [
    "AttachError",
    "BarclampError",
    "BundleError",
    "CatalogError",
    "Deposed",
    "KeyFileError",
    "PlanError",
    "ServiceError",
    "StoreError",
    "VaultError",
    "program_version",
]
