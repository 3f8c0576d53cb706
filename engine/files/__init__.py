"""The files that people write: plans, barclamps, images, with the place and the nearest known key of every mistake."""
