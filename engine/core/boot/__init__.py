"""From a machine's first packet to its hello: leases, loaders, boots, claims, and identity."""
