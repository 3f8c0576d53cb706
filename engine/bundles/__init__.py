"""A bundle: everything that a plan needs, in one signed file, for an admin node without a connection. docs/bundle.md explains it."""


class BundleError(Exception):
    """The bundle cannot be made, is damaged, or is not what was expected. One sentence that says what was seen and what to do."""
