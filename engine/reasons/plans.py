"""Why the engine cannot commit a plan, bind its roles or serve its images."""

from __future__ import annotations

from .kind import Who, kind

no_plan = kind("no_plan", "no plan is committed", "commit a plan: crowbar commit PLAN", who=Who.AUTHOR)
bad_plan = kind(
    "bad_plan",
    "plan {name} has a mistake: {message}",
    "correct the plan; crowbar plan check lists all its mistakes",
    who=Who.AUTHOR,
)
not_committed = kind(
    "not_committed",
    "the engine could not commit the plan: {message}",
    "fix the cause, then commit the plan again",
    who=Who.OPERATOR,
)
cycle = kind("cycle", "these roles would wait for each other: {path}", "remove one of the requirements", who=Who.AUTHOR)
conflicts = kind(
    "conflicts", "role {role} conflicts with {other} on node {node}", "give the node only one of the two roles", who=Who.AUTHOR
)
wishes_conflict = kind(
    "wishes_conflict",
    "on {node}, role {role} wishes {what} {value}, and role {other} wishes {instead}",
    "give the node only one of the two roles, or set {what} for the node by a rule",
    who=Who.AUTHOR,
)
wish_left_out = kind(
    "wish_left_out",
    "role {role} wishes {wish}, and this site leaves out stage {stage}, whose roles carry the wish out",
    "put the stage into the store's stages.yml, or take the role out of the plan",
    who=Who.OPERATOR,
)
placed_left_out = kind(
    "placed_left_out",
    "the plan in force places role {role} in deployment {deployment}, and this site leaves out its stage {stage}",
    "put the stage into the store's stages.yml; or first commit a plan without the role",
    who=Who.OPERATOR,
)
revision_moved = kind(
    "revision_moved",
    "the plan was made from revision {expected}, and revision {revision} is in force now, committed by {who}",
    "look at the differences (crowbar plan diff), make the change again from the plan in force, then commit it",
    who=Who.OPERATOR,
)
no_provider = kind(
    "no_provider",
    "role {role} requires {requires}, which only stands for other roles, and no barclamp has a role that provides it",
    "import a barclamp with a role that provides {requires}",
    who=Who.AUTHOR,
)
which_provider = kind(
    "which_provider",
    "role {role} requires {requires}, which several roles provide: {providers}",
    "place one of these roles in the plan",
    who=Who.AUTHOR,
)
image_missing = kind(
    "image_missing",
    "image {image} is missing",
    "build the image: crowbar image build {image}",
    who=Who.OPERATOR,
)
image_other = kind(
    "image_other",
    "another version of Crowbar built image {image}, so its agent or packages may not match",
    "build the image again: crowbar image build {image}",
    who=Who.OPERATOR,
)
image_damaged = kind(
    "image_damaged",
    "image {image} is damaged: its checksum is wrong",
    "build the image again: crowbar image build {image}",
    who=Who.OPERATOR,
)
