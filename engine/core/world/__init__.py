"""The world as one immutable value, and the working copy that changes it."""
