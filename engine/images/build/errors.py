"""Why an image was not built: one sentence for a person, with advice."""

from __future__ import annotations


class BuildError(Exception):
    """The image was not built, and the old one is untouched."""
