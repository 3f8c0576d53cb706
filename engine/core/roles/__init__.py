"""The annealer and the life of nodes: which node role runs now, and what follows from its outcome."""
