"""What people are shown, each a function of the world (and the journal): no view keeps anything, and none changes anything."""
