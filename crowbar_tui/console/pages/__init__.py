"""One file per screen. `screens` lists those with a digit. A key or another screen opens the others."""
