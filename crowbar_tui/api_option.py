"""Where an engine that this process starts offers the HTTP API: the options of the command line, else the environment."""

from __future__ import annotations

import os

from msgspec import Struct

VARIABLE, BOTH_VARIABLE = "CROWBAR_API", "CROWBAR_API_REQUIRES_BOTH"


class ApiOption(Struct, frozen=True, kw_only=True):
    address: str = ""
    """`ADDRESS:PORT`. Empty: nowhere."""
    both: bool = False
    given: bool = False
    """The command line says so, not only the environment."""


def api_option(address: str | None, both: bool) -> ApiOption:
    """The options `--api` and `--api-requires-both`, beside the variables of the same names."""
    here = os.environ
    return ApiOption(
        address=address or here.get(VARIABLE, ""),
        both=both or here.get(BOTH_VARIABLE, "") not in ("", "0"),
        given=bool(address) or both,
    )
