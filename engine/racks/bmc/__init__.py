"""Simulated BMCs that speak IPMI and Redfish, for both kinds of virtual rack."""
