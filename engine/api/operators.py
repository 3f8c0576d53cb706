"""A part of the public API: the tokens of the operators who may use the HTTP API."""

from __future__ import annotations

from ..files.paths import keys_beside
from ..trust.operators import TOKENS_FILE, Operator, make_token, operators, revoke

__all__ = ["TOKENS_FILE", "Operator", "keys_beside", "make_token", "operators", "revoke"]
