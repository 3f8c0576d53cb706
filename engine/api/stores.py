"""The part of the public API that copies stores and compares them."""

from __future__ import annotations

from ..store.copying import Examined, TableSum, copy, differences, examine
from ..store.errors import StoreError
from ..store.postgres import checked_name, is_name

__all__ = ["Examined", "StoreError", "TableSum", "checked_name", "copy", "differences", "examine", "is_name"]
