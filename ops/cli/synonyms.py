"""`lead-router leads synonyms`: import and list."""

import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.table import Table

from ops.cli.context import CannotRun, Context, async_command, cannot_read, console, json_option, print_json
from ops.cli.options import author_option, require_tenant, tenant_option
from router.domain.phrases import count, listed
from router.intake.lead_file import FileUnusable
from router.intake.synonyms_file import read_synonyms_file
from router.rules.file import RulesError
from router.rules.spelling import Synonym, SynonymError
from router.store.rules_lint import synonyms_since_applied
from router.store.statements import Connection
from router.store.synonyms import SourcesHaveLeads, import_synonyms, load_synonyms


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@author_option
@click.option("--replace", is_flag=True, help="Remove the words that are not in FILE.")
@click.option("--renames-sources", is_flag=True, help="Allow it even if a source already has leads.")
@json_option
@async_command
async def import_(
    context: Context,
    /,
    *,
    file: Path,
    tenant_name: str | None,
    author: str,
    replace: bool,
    renames_sources: bool,
    as_json: bool,
) -> None:
    """Import words from a CSV FILE with the columns field, word, spelling: all of it or nothing.

    It applies to leads that arrive later; stored leads are not changed, and rules use it once they are applied again.
    Safe to repeat.

    \b
    Example:
      lead-router leads synonyms import synonyms.csv --tenant acme
    """
    table = _read(file)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            change = await import_synonyms(
                conn, tenant.tenant_id, table, author, replace=replace, renames_sources=renames_sources
            )
        except SynonymError as error:
            raise CannotRun(f"{file} contradicts the existing synonyms: {error}") from error
        except SourcesHaveLeads as error:
            raise CannotRun(
                f"source {listed(error.sources)} already has leads, and a lead is identified by source and id: with "
                "another spelling, the next import of their file would add them again. Nothing was changed; use "
                "--renames-sources to do it anyway"
            ) from error
        other = await _not_in_rules_yet(conn, tenant.name)
    if as_json:
        found = [{"field": field, "value": value, "word": word or None} for field, value, word in other.words]
        document = {"tenant": tenant.name, "words": len(table), **asdict(change)}
        print_json({**document, "rules_to_apply_again": {"version": other.version, "values": found} if found else None})
        return
    words = count(len(table), "word")
    console().print(f"{words}: {change.changed:,} new or changed, {change.removed:,} removed")
    if other.words:
        named = (f'{field} "{value}" ' + (f'is "{word}"' if word else "is none") for field, value, word in other.words)
        console().print(
            f"rules of {tenant.name} (version {other.version}) go on with the synonyms of when they were applied: "
            f"{listed(named)}\nto apply them again: lead-router rules rollback --tenant {shlex.quote(tenant.name)} "
            f"--to {other.version}"
        )


@dataclass(frozen=True, slots=True)
class _NotInRules:
    """Synonyms that the rules in force were not applied with: (field, value, word)."""

    version: int
    words: list[tuple[str, str, str]]


async def _not_in_rules_yet(conn: Connection, tenant_name: str) -> _NotInRules:
    tenant = await require_tenant(conn, tenant_name)
    # Rules that this release cannot read are reported elsewhere.
    with suppress(RulesError):
        return _NotInRules(tenant.ruleset, await synonyms_since_applied(conn, tenant))
    return _NotInRules(tenant.ruleset, [])


@click.command("list")
@tenant_option
@json_option
@async_command
async def list_(context: Context, tenant_name: str | None, as_json: bool) -> None:
    """List the words and how they are spelled.

    \b
    Example:
      lead-router leads synonyms list --tenant acme --json
    """
    async with context.connection() as conn:
        found = await load_synonyms(conn, (await require_tenant(conn, tenant_name)).tenant_id)
    if as_json:
        print_json([one._asdict() for one in found])
        return
    table = Table("field", "word", "spelling", box=None, pad_edge=False)
    for one in found:
        table.add_row(*one)
    console().print(table if found else "no synonyms; lead-router leads synonyms import FILE.csv --tenant T")


def _read(file: Path) -> list[Synonym]:
    try:
        return read_synonyms_file(file)
    except (FileUnusable, SynonymError) as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise cannot_read(file, error) from error
