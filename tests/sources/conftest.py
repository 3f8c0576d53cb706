"""For the tests of sources: the HTTP service of `tests/serve`, and the machines that are folders of `tests/catalog`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parents[1] / name) for name in ("serve", "catalog", "e2e")]
