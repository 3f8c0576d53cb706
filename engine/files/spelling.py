"""How names and versions are spelled in files of barclamps and plans. Apart from the readers, for those who only compare."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*")
"""Names of roles, attributes, networks, deployments and groups."""
VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
"""Versions of barclamps."""
