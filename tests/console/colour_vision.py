"""How people without the cones for red (protanopia) or green (deuteranopia) see a colour: Machado, Oliveira and Fernandes 2009, severity 1.0,
on linear RGB. Contrast as in WCAG 2.1; difference in CIE L*a*b* (1976), where about 2 can just be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

VISIONS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
Linear = Sequence[float]
"""Red, green, blue from 0 to 1, proportional to light."""


def seen(rgb: Sequence[int], vision: str) -> Linear:
    """A colour of 0 to 255 each, as this vision sees it."""
    light = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return [min(max(sum(a * b for a, b in zip(row, light, strict=True)), 0.0), 1.0) for row in VISIONS[vision]]


def _luminance(colour: Linear) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def contrast(one: Linear, other: Linear) -> float:
    """1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _lab(colour: Linear) -> tuple[float, float, float]:
    r, g, b = colour
    parts = ((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047, _luminance(colour), (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883)
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in parts)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: Linear, other: Linear) -> float:
    return math.dist(_lab(one), _lab(other))
