"""For the tests of bundles: the small mirror and the machines of `tests/serve`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "serve"))
