"""What people see, as functions of the world and the journal. A view stores nothing and changes nothing."""
