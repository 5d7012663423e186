"""Which view of which database each tenant's roster is synced with: the file that `roster_sync.file` names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from ops.cli.context import CannotRun
from router.domain.rep_fields import READERS
from router.rules.reader import At, Problem, Reader, Wrong, duration, mapping, named_entries, scalar, text
from router.rules.yaml_nodes import YamlError, compose
from router.settings.model import Settings

EXAMPLE = "config/examples/roster_sync.yaml"
_SCHEMES = ("postgresql://", "postgres://")
_NAME_BYTES = 63


class SourcesError(ValueError):
    """The file cannot be used; the message says where and why, one line for each problem."""


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
    """The views that are configured, by tenant. Raises CannotRun."""
    if settings.roster_sync.file is None:
        return {}
    try:
        return read_sources(settings.roster_sync.file, os.environ)
    except SourcesError as error:
        raise CannotRun(str(error)) from error


def read_sources(file: Path, environment: Mapping[str, str]) -> dict[str, Source]:
    """The sources by the name of their tenant. Raises SourcesError; never shows a URL, which may hold a password."""
    try:
        node = compose(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourcesError(f"{file}: cannot be read: {type(error).__name__}") from None
    except YamlError as error:
        raise SourcesError(f"{file}:{error.line}: {error}") from None
    if node is None:
        raise SourcesError(f"{file}: is empty; {EXAMPLE} is a file to start from")
    problems: list[Problem] = []
    tenants = partial(_tenants, environment=environment)
    found = At(node, "", str(file), problems).read(lambda at: mapping(at, {"tenants": tenants}, ("tenants",)))
    if problems or found is None:
        raise SourcesError("\n".join(str(problem) for problem in problems))
    sources: dict[str, Source] = found["tenants"]
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
