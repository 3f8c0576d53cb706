"""The files that people write: plans, barclamps, images. Each mistake comes with its place and the nearest known key."""
