"""Why an image was not built: one sentence for a person, with what to do about it."""

from __future__ import annotations


class BuildError(Exception):
    """The image was not built, and what was there before is untouched."""
