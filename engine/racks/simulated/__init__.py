"""A rack of programs that act like machines."""
