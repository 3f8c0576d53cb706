"""Runs DMTF's Redfish-Interop-Validator (3.x), in its own interpreter. Reads `{user, password, rhost, logdir, profile}` as JSON from
standard input, because the validator takes the password only as an argument, and all users of a machine see those. Writes the results as
JSON.

Nothing of the engine is imported here: that interpreter may not have it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from typing import Any

MOST, LONGEST = 200, 300
_PACKAGE = "redfish_interop_validator"


def main() -> int:
    given: dict[str, Any] = json.load(sys.stdin)
    scripts, report, validate = (importlib.import_module(f"{_PACKAGE}.{name}") for name in ("console_scripts", "report", "validate"))
    kept: list[Any] = []

    def keep(system: Any, *_: object, **__: object) -> str:
        kept.append(system)
        return ""

    for name in ("html_report", "xlsx_report"):
        setattr(report, name, keep)
    arguments = dict.fromkeys(("serv_http_proxy", "serv_https_proxy", "payload", "mockup"))
    arguments |= {"authtype": "Session", "collectionlimit": ["LogEntry", "20"], "nooemcheck": True, "timeout": 30, "debugging": False}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        scripts.run_validator({**arguments, **given})
    if not kept:
        print(json.dumps({"failure": " ".join(said.getvalue().split())[-LONGEST:] or "the validator gave no result"}))
        return 1
    print(json.dumps(_results(kept[0], validate.Result)))
    return 0


def _results(system: Any, result: Any) -> dict[str, Any]:
    rows = [("", name, one) for name, one in system._service_resource_results["Results"].items()]
    rows += [(uri, name, one) for uri, about in system._resources.items() if about["Validated"] for name, one in about["Results"].items()]
    found = [
        {"path": uri[:LONGEST], "name": str(name)[:LONGEST], "grade": grade, "text": str(one["Message"])[:LONGEST]}
        for grade, level in (("fail", result.FAIL), ("warn", result.WARN))
        for uri, name, one in rows
        if one["Result"] == level
    ]
    return {
        "passed": system.pass_count,
        "failed": system.fail_count,
        "warned": system.warn_count,
        "skipped": system.skip_count,
        "rows": found[:MOST],
    }


if __name__ == "__main__":
    sys.exit(main())
