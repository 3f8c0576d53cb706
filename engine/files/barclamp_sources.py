"""The key `sources` of a barclamp: services that can run from source. docs/source.md explains it.

Each source makes three attributes and a role. Together with what a role with `source: NAME` reads, these are all that the engine knows of
sources: the annealer treats them like any others.

| made | |
|---|---|
| `NAME-source` | the repository and the revision; `{}` means packages |
| `NAME-requirements` | what else is installed into the virtual environment |
| `NAME-wheels` | an attribute: the builds. A role of that name gives them, on the admin node, with the script of the barclamp `source` |
"""

from __future__ import annotations

from msgspec import Struct, structs

from ..definitions import AttributeDef, Collect, Json, On, Requirement, RoleDef, Want

REPOSITORY = r"^((https?|git)://[A-Za-z0-9.-]+(:[0-9]{1,5})?/|ssh://([A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/|file:///)[A-Za-z0-9._/~+-]{1,400}$"
"""URL of a repository. A password has no place in it. `ext::`, `fd::`, a path, and `host:path` are none of these."""
REVISION = r"^[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}$"
REQUIREMENT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\[[A-Za-z0-9,._-]{1,99}\])?((===?|>=|<=|~=|!=|<|>)[A-Za-z0-9.!+*,<>=~-]{1,99})?$"
"""A requirement of pip, without URL and without options."""
CONSTRAINTS_PATH = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,9}$"
INDEX = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/~+-]{0,400})?$"
PYTHON = r"^python3(\.[0-9]{1,2})?$"

_WHERE = {"repository": {"type": "string", "pattern": REPOSITORY}, "revision": {"type": "string", "pattern": REVISION}}
SCHEMA: dict[str, Json] = {
    "type": "object",
    "additionalProperties": False,
    "dependentRequired": {"repository": ["revision"], "revision": ["repository"], "constraints": ["repository"]},
    "properties": _WHERE
    | {
        "constraints": {
            "type": "object",
            "additionalProperties": False,
            "required": ["repository", "revision", "path"],
            "properties": _WHERE | {"path": {"type": "string", "pattern": CONSTRAINTS_PATH}},
        }
    },
}
BARCLAMP, SCRIPTS = "source", "wheels"
"""Where the script of `NAME-wheels` is."""
PACKAGES: dict[str, tuple[str, ...]] = {"debian": ("python3-venv",), "redhat": ("python3",)}
"""What a node needs for a virtual environment."""
ADMIN_PACKAGES: dict[str, tuple[str, ...]] = {"debian": ("git", "python3-venv"), "redhat": ("git-core", "python3")}
TOOL = "from-source"
ENGINE_URL = "engine-url"


class Source(Struct, frozen=True, kw_only=True):
    """One entry of `sources`."""

    name: str
    description: str = ""
    requirements: tuple[str, ...] = ()


def wheels(name: str) -> str:
    """Name of the role that builds a source, and of the attribute that it gives."""
    return f"{name}-wheels"


def attributes_of(source: Source, barclamp: str) -> list[AttributeDef]:
    """The attributes that a source makes. That of the wheels belongs to the role of that name."""
    name = source.name
    return [
        AttributeDef(
            name=f"{name}-source",
            path=f"{name}-source",
            schema=SCHEMA,
            default={},
            description=(
                f"From where {name} comes: `{{repository, revision}}` builds it from a git repository, with `constraints` for pip if "
                "given. `{}`: from the packages of the distribution."
            ),
            barclamp=barclamp,
        ),
        AttributeDef(
            name=f"{name}-requirements",
            path=f"{name}-requirements",
            schema={"type": "array", "maxItems": 64, "items": {"type": "string", "pattern": REQUIREMENT}},
            default=list(source.requirements),
            description=f"What pip installs beside {name} when it comes from source.",
            barclamp=barclamp,
        ),
        AttributeDef(
            name=wheels(name),
            path=wheels(name),
            schema={"type": "array", "items": {"type": "object"}},
            description=f"The builds of {name} that the admin node has, with their commits and versions.",
            barclamp=barclamp,
            role=wheels(name),
        ),
    ]


def role_of(source: Source) -> RoleDef:
    """The role that builds a source on the admin node."""
    name = source.name
    return RoleDef(
        name=wheels(name),
        barclamp=BARCLAMP,
        scripts=SCRIPTS,
        source=name,
        stage="system",
        jig="local",
        description=(
            f"Builds the wheels of {name} on the admin node, for the nodes that want it from source."
            + (f" {name}: {source.description}" if source.description else "")
        ),
        wants=(
            Want(name=f"{name}-requirements", at="source/requirements"),
            Want(name="source-index", at="source/index"),
            Want(name="source-python", at="source/python"),
            Want(name="package-cache-proxy", at="source/proxy"),
        ),
        collects=(Collect(attribute=f"{name}-source", into="source/wanted"),),
        gives=(wheels(name),),
        packages=ADMIN_PACKAGES,
        verify=True,
        attempts=2,
        delay_s=5.0,
        timeout_s=7200.0,
        seconds=60.0,
    )


def from_source(role: RoleDef, name: str) -> RoleDef:
    """The role, with what it needs to run from a source: the builds, and the tool that installs one."""
    known = set(role.reads)
    wants = tuple(Want(name=one) for one in (f"{name}-source", wheels(name), ENGINE_URL) if one not in known)
    required = any(one.role == wheels(name) for one in role.requires)
    packages = {
        family: tuple(dict.fromkeys((*role.packages.get(family, ()), *PACKAGES.get(family, ()))))
        for family in {**PACKAGES, **role.packages}
    }
    return structs.replace(
        role,
        source=name,
        wants=role.wants + wants,
        requires=role.requires if required else (*role.requires, Requirement(role=wheels(name), on=On.ADMIN)),
        tools=role.tools if TOOL in role.tools else (*role.tools, TOOL),
        packages=packages,
    )
