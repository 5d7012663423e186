"""`lead-router rules test`, which explains its decision as `why` does."""

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from ops.cli.context import (
    EXIT_FOUND,
    CannotRun,
    Context,
    Found,
    async_command,
    cannot_read,
    console,
    json_option,
    print_json,
)
from ops.cli.explanation import rendered
from ops.cli.options import require_tenant, tenant_option
from ops.cli.rules_shared import file_argument, read
from ops.text.translation import ENGLISH
from ops.why.codes import REASONS, UNSURE
from ops.why.decision_document import outcome_document, rule_document
from ops.why.phrases import targets
from ops.why.rules import describe_rules
from ops.why.trial import NEW_LEAD, Trial, UnknownFields, try_new, try_stored
from router.domain.decide import Assigned, Parked
from router.intake.normalise import Rejected
from router.rules.file import ZoneDiffers
from router.store.assignments import LeadUnknown

_MAX_BYTES = 1_000_000
_CONTACTS = {"phone": "phone number", "email": "e-mail address"}


@click.command("test")
@file_argument
@tenant_option
@click.option(
    "--lead",
    required=True,
    metavar="LEAD",
    help="A lead's number or external id, its fields as JSON, or a file with that JSON.",
)
@json_option
@async_command
async def try_rules(context: Context, /, *, file: Path, tenant_name: str | None, lead: str, as_json: bool) -> int:
    """Decide one lead by the rules in FILE, with the reps and loads of now, and explain why. Changes nothing.

    A stored lead is decided as though it came to its turn now; one in JSON as though it arrived now. Exit code 1 =
    nobody would get it.

    \b
    Example:
      lead-router rules test rules.yaml --tenant acme --lead 4711
      lead-router rules test rules.yaml --tenant acme --lead '{"region": "Shanghai", "priority": 5}'
    """
    found = read(file, as_json)
    row = _row(lead)
    async with context.present() as (conn, presence):
        tenant = await require_tenant(conn, tenant_name)
        try:
            if row is None:
                trial = await try_stored(conn, presence, tenant, found.rules, lead)
            else:
                trial = await try_new(conn, presence, tenant, found.rules, row)
        except LeadUnknown as error:
            raise CannotRun(str(error)) from error
        except UnknownFields as error:
            raise CannotRun("\n".join(f"--lead: {problem}" for problem in error.problems)) from error
        except Rejected as error:
            raise CannotRun(f"--lead: {error.column or 'the lead'}: {error}") from error
        except ZoneDiffers as error:
            raise Found(f"{file}: {error}") from error
    if as_json:
        print_json(_document(trial))
    else:
        out = console()
        out.print(_head(trial, file), style="bold")
        for field in trial.malformed:
            out.print(
                f"  the {_CONTACTS.get(field, field)} is invalid and was not used to find the customer", style="yellow"
            )
        if trial.unsure is not None:
            out.print(f"  {UNSURE[trial.unsure]}", style="yellow")
        for part in describe_rules(trial.description, trial.explanation, ENGLISH):
            out.print(rendered(part))
    return 0 if isinstance(trial.explanation.decision, Assigned) else EXIT_FOUND


def _row(lead: str) -> Mapping[str, object] | None:
    """The fields of a lead in JSON; None where a stored lead is meant. Raises CannotRun."""
    text, where = lead.encode(), "--lead"
    if not lead.lstrip().startswith("{"):
        if not lead.endswith(".json"):
            return None
        text, where = _read(Path(lead)), lead
    try:
        row = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{where}: is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise CannotRun(f'{where}: must be a JSON object, such as {{"region": "Shanghai"}}')
    return row


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(_MAX_BYTES)
    except OSError as error:
        raise cannot_read(path, error) from error


def _head(trial: Trial, file: Path) -> str:
    lead, decision, names = trial.description.lead, trial.explanation.decision, trial.description.names
    what = "This lead" if lead.lead_id == NEW_LEAD else f"Lead {lead.lead_id}"
    by = f"by {file}, now"
    if isinstance(decision, Assigned):
        return f"{what} would go to {names.rep(decision.rep_no)} ({by}; nothing was changed)"
    if isinstance(decision, Parked):
        return f"{what} would be parked, {REASONS[decision.reason]}: {decision.detail} ({by}; nothing was changed)"
    reason = trial.explanation.reason
    code = f" [{reason}]" if reason else ""
    waits = targets(decision.targets, names, names.ruleset)
    return f"{what} would wait for {waits}{code} ({by}; nothing was changed)"


def _document(trial: Trial) -> dict[str, object]:
    names, explanation = trial.description.names, trial.explanation
    number = trial.description.lead.lead_id
    return {
        "lead": None if number == NEW_LEAD else number,
        "as_of": explanation.moment.now.isoformat(),
        "presence_unknown": trial.unsure,
        "malformed": list(trial.malformed),
        "outcome": outcome_document(explanation.decision, names, names.ruleset or 0),
        "reason": explanation.reason.value if explanation.reason else None,
        "rules": [rule_document(rule, names, explanation.moment.now) for rule in explanation.rules],
    }
