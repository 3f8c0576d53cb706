"""The third part of the public API: the barclamps and stages of a site."""

from __future__ import annotations

from ..definitions import versions
from ..files.clamps.content import BarclampError
from ..files.clamps.git_source import from_git
from ..files.clamps.index import Imported, active, imports
from ..files.clamps.shelf import Done, check, copy_site, import_source, remove, same_site
from ..files.clamps.site import site_catalog, stages_of
from ..files.clamps.sources import Source, from_path
from ..files.clamps.template import new_barclamp
from ..files.clamps.use import InUse

__all__ = [
    "BarclampError",
    "Done",
    "Imported",
    "InUse",
    "Source",
    "active",
    "check",
    "copy_site",
    "from_git",
    "from_path",
    "import_source",
    "imports",
    "new_barclamp",
    "remove",
    "same_site",
    "site_catalog",
    "stages_of",
    "versions",
]
