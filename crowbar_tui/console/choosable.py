"""What a user may choose from: the columns of each list, and the page that opens first. A test compares these tables with the pages, which
are not loaded for them."""

from __future__ import annotations

CHOOSABLE: dict[str, tuple[str, ...]] = {
    "nodes": ("unit", "node", "state", "signal", "age", "runs", "address", "family", "bar", "done"),
    "topology": ("switch", "port", "wire", "node", "nic", "link", "check", "age", "by"),
    "networks": ("address", "network", "kind", "node", "mac", "lease"),
    "events": ("seq", "time", "what", "who", "text"),
    "settings": ("name", "value", "layer", "by", "readers"),
}
"""Page -> its columns. A mark at the beginning of a line always stays."""
STARTS = ("nodes", "rack", "topology", "roles", "plan", "networks", "events", "health", "problems", "timeline", "results")
