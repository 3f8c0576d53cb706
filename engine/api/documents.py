"""The part of the public API that reads documents which people write: YAML with lines, and its mistakes in sentences."""

from __future__ import annotations

from ..files.element import Element
from ..files.mistakes import Mistakes, PlanMistake, shown
from ..files.yaml_source import load, parse

__all__ = ["Element", "Mistakes", "PlanMistake", "load", "parse", "shown"]
