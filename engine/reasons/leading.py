"""Why an engine gives no order on a store that several engines share, or does not hand it over."""

from __future__ import annotations

from .kind import Who, kind

not_leading = kind(
    "not_leading",
    "this engine is a standby, and {leader} decides",
    "give the order on {leader}; or have this engine decide: on {leader}, crowbar engine hand-over",
    who=Who.OPERATOR,
)
no_leader = kind(
    "no_leader",
    "no engine decides now: {message}",
    "wait for the take-over; if it does not come, put that right (crowbar status says since when); machines that work go on",
    who=Who.OPERATOR,
)
no_standby = kind(
    "no_standby",
    "no standby follows this store, so no engine could take over",
    "start crowbar engine on another admin node with the same database (docs/several-admin-nodes.md)",
    who=Who.OPERATOR,
)
not_a_standby = kind(
    "not_a_standby",
    "no standby called {name} follows this store",
    "name one of these: {known}",
    who=Who.OPERATOR,
)
not_a_member = kind(
    "not_a_member",
    "this engine runs inside a console or a replay, so it cannot become a standby",
    "to let another engine decide, stop this one (crowbar engine stop); to hand over, run it with crowbar engine",
    who=Who.OPERATOR,
)
one_engine = kind(
    "one_engine",
    "this store is in a file of this machine, so no other engine can take it over",
    "to use several admin nodes, copy the store to PostgreSQL (docs/several-admin-nodes.md)",
    who=Who.OPERATOR,
)
