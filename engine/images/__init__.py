"""Images: the built ones, those that a plan needs, and how they are built."""
