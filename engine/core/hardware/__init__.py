"""A machine's hardware and place: disks, ports, neighbours, topology. Pure."""
