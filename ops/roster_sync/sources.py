"""Which view of which database each tenant's roster is synced with: the file that `roster_sync.file` names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from router.domain.rep_fields import READERS
from router.rules.document import At, Reader, Wrong, read_file, read_top, top_of
from router.rules.kinds import duration
from router.rules.problems import InvalidFile, Problem
from router.rules.reader import mapping, named_entries, scalar, text
from router.settings.model import Settings

EXAMPLE = "config/examples/roster_sync.yaml"
_SCHEMES = ("postgresql://", "postgres://")
_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Source:
    """One tenant's view. `view` is (schema, name), schema None = by the search path; `columns` maps fields to the
    view's columns, empty = those that are named like fields; `database_url` None = the service's own database.
    """

    tenant: str
    view: tuple[str | None, str]
    columns: Mapping[str, str] = field(default_factory=dict)
    database_url: str | None = field(default=None, repr=False)
    every: timedelta = timedelta(seconds=30)
    unknown_holds_for: timedelta = timedelta(minutes=15)
    most_lost_share: Decimal = Decimal("0.2")

    @property
    def shown(self) -> str:
        """The view's name for people."""
        return ".".join(part for part in self.view if part is not None)


def configured_sources(settings: Settings) -> dict[str, Source]:
    """The views that are configured, by tenant. Raises InvalidFile."""
    if settings.roster_sync.file is None:
        return {}
    return read_sources(settings.roster_sync.file, os.environ)


def read_sources(file: Path, environment: Mapping[str, str]) -> dict[str, Source]:
    """The sources by the name of their tenant. Raises InvalidFile; never shows a URL, which may hold a password."""
    try:
        top = top_of(read_file(file), str(file))
    except OSError as error:
        raise InvalidFile([Problem(str(file), 0, "", f"cannot be read: {error.strerror}")]) from None
    if top is None:
        raise InvalidFile([Problem(str(file), 1, "", f"is empty; {EXAMPLE} is a file to start from")])
    tenants = partial(_tenants, environment=environment)
    sources: dict[str, Source] = read_top(top, lambda at: mapping(at, {"tenants": tenants}, ("tenants",)))["tenants"]
    return sources


def _tenants(at: At, environment: Mapping[str, str]) -> dict[str, Source]:
    readers: dict[str, Reader[Any]] = {
        "view": _view,
        "columns": _columns,
        "database_url": partial(_url, environment=environment),
        "every": duration,
        "unknown_holds_for": duration,
        "most_lost_share": _share,
    }
    sources = {}
    for name, (_, node) in named_entries(at).items():
        place = at.below(name, node)
        values = place.read(lambda one: mapping(one, readers, ("view",)))
        if values is not None and "view" in values:
            sources[name] = Source(name, **values)
    return sources


def _view(at: At) -> tuple[str | None, str]:
    schema, dot, name = text(at).rpartition(".")
    if "." in schema or (dot and not schema) or not name:
        raise Wrong("must be a name, or schema.name")
    return (_identifier(schema) if dot else None, _identifier(name))


def _columns(at: At) -> dict[str, str]:
    readers: dict[str, Reader[Any]] = dict.fromkeys(READERS, lambda one: _identifier(text(one)))
    return mapping(at, readers, ("rep_id",))


def _identifier(name: str) -> str:
    if len(name.encode()) > _NAME_BYTES:
        raise Wrong(f"has {len(name.encode())} bytes; names in the database have at most {_NAME_BYTES}")
    return name


def _url(at: At, environment: Mapping[str, str]) -> str:
    value = text(at)
    if value.startswith("$"):
        if not environment.get(value[1:]):
            raise Wrong(f"the environment has no variable {value[1:]}")
        value = environment[value[1:]]
    if not value.startswith(_SCHEMES):
        raise Wrong(f"must begin with {' or '.join(_SCHEMES)}, or name a variable: $CRM_DATABASE_URL")
    return value


def _share(at: At) -> Decimal:
    node = scalar(at)
    try:
        share = Decimal(node.value)
    except ArithmeticError:
        share = Decimal(-1)
    if not share.is_finite() or not 0 <= share <= 1:
        raise Wrong("must be a number from 0 to 1")
    return share
