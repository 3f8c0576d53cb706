"""Monitoring: what Nagios looks at follows from the committed node roles, and what it says becomes findings of them. Pure."""
