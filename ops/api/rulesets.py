"""Rulesets over HTTP: check, compare, apply, history, one version, rollback."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.bodies import TEXT, YAML_TYPES, text_of
from ops.api.fields import OF_PARTS, Json, Moment, Note, PageQuery, Version
from ops.api.ids import RULES_VERSION, not_there, number_of
from ops.api.pages import page, read_cursor
from ops.api.refusals import refusals
from ops.documents.rules import applied_document, compared_document, findings_document
from router.domain.access import Permission
from router.domain.lint import ALL_READ, Finding, Level, lint_rules
from router.domain.worded import NOTHING, Worded, parts_of, restored, worded
from router.domain.worded_phrases import placed
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused, pointer_to
from router.http.reading import convert_body, json_body
from router.rules.file import RulesError, RulesFile, read_rules
from router.rules.lists import ReadList, lists_given, no_lists, stored_lists
from router.store import rulesets as store
from router.store.apart import apart, has_many, read_apart, takes_long
from router.store.collecting import uncollected
from router.store.rules_apply import Given, RulesFaulty, apply_checked
from router.store.rules_lint import lint_lent
from router.store.statements import Connection
from router.store.tenants import Tenant, tenant_numbered

MAX_RULES = 8_000_000
ACTIVE = "active"
_FILE = "body"
_LISTS = (
    "Rules that name lists with `in_file` come as JSON with these; a list that is not among them is the one that is "
    "stored with the active version."
)
_ANYWAY = (
    "Rules with warnings (those of `:check`) are refused with 409 and every warning, unless `anyway`; rules that are "
    "active already never are. "
)
_JSON = "application/json"
IfVersion = Annotated[
    int, Meta(ge=0, le=2**31 - 1, description="Only while this version is active (0 = none), else 409")
]


class RulesGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules with the lists that they name, each a text with one value a line."""

    rules: Annotated[str, Meta(min_length=1, max_length=MAX_RULES, description="YAML")]
    lists: Annotated[dict[str, str], Meta(max_length=1000)] = {}


class RulesFinding(msgspec.Struct, frozen=True):
    """What is odd or wrong in rules, and where."""

    level: str
    lint: str
    rule: str | None
    line: int
    field: str
    message: str
    parts: Annotated[list[Json] | None, Meta(description=OF_PARTS)] = None


class RulesProblem(msgspec.Struct, frozen=True):
    """Why a text is no ruleset."""

    file: str
    line: int
    field: str
    message: str
    parts: Annotated[list[Json] | None, Meta(description=OF_PARTS)] = None


class RulesChecked(msgspec.Struct, frozen=True):
    """What a check found. `problems` = it cannot be read; `findings` of the readable parts. `rules` = how many."""

    ok: bool
    problems: list[RulesProblem]
    findings: list[RulesFinding]
    rules: int | None


class RulesDifference(msgspec.Struct, frozen=True):
    """What rules change in the active ones. Nothing was applied where `version` equals `previous`."""

    version: int
    previous: int
    changes: list[Json]
    new_groups: list[str]


class RulesApplied(RulesDifference, frozen=True):
    """What was applied, and what is odd in it. `stopped`: warnings would stop it (only with `dry_run`)."""

    findings: list[RulesFinding]
    dry_run: bool
    stopped: bool = False


class RulesCompared(msgspec.Struct, frozen=True):
    """What is different in `version`, compared with the version `base`."""

    version: int
    base: int
    changes: list[Json]


class RulesVersion(msgspec.Struct, frozen=True):
    """A version in the history."""

    version: int
    applied_at: Moment
    author: str
    note: str
    in_force: bool


class RulesPage(msgspec.Struct, frozen=True):
    """Versions, the last one first."""

    rulesets: list[RulesVersion]
    next: str | None


class RulesShown(RulesVersion, frozen=True):
    """A version as it was applied: the YAML, the lists that it names, and by field the words of synonyms."""

    source: str
    lists: dict[str, str]
    synonyms: dict[str, dict[str, str]]


class CheckQuery(msgspec.Struct, frozen=True):
    """How strict a check is."""

    strict: Annotated[bool, Meta(description="Warnings fail, too")] = False
    leads: Annotated[bool, Meta(description="Compare values with those of the leads of the last 90 days, too")] = True


class ApplyQuery(msgspec.Struct, frozen=True):
    """How rules are applied."""

    note: Note = ""
    dry_run: Annotated[bool, Meta(description="Only say what would change")] = False
    anyway: Annotated[bool, Meta(description="Apply the rules although there are warnings")] = False
    if_version: IfVersion | None = None


class CompareQuery(msgspec.Struct, frozen=True):
    """With which version; without it the one before."""

    base: Version | None = None


class Rollback(msgspec.Struct, frozen=True):
    """To which version; null = the one before the active one."""

    version: Version | None = None
    note: Note = ""
    if_version: IfVersion | None = None


def operations() -> list[Operation]:
    """Of rulesets."""
    return [
        _file("check_rules", ":check", "Check rules, also beside roster and leads of the tenant", RulesChecked),
        _file("diff_rules", ":diff", "What rules would change in the active ones", RulesDifference),
        _file("apply_rules", "", "Make rules the active ones, as a new version", RulesApplied),
        Operation(
            id="list_rulesets",
            method="GET",
            path="/v1/rulesets",
            summary="The versions of the rules",
            handler=_history,
            answers={200: RulesPage},
            permission=Permission.READ,
            tag="rulesets",
            query=PageQuery,
        ),
        Operation(
            id="get_ruleset",
            method="GET",
            path="/v1/rulesets/{version}",
            summary="One version of the rules, or `active`",
            handler=_show,
            answers={200: RulesShown},
            permission=Permission.READ,
            tag="rulesets",
        ),
        Operation(
            id="compare_rulesets",
            method="GET",
            path="/v1/rulesets/{version}/diff",
            summary="What is different in one version of the rules, compared with another one",
            handler=_compare,
            answers={200: RulesCompared},
            permission=Permission.READ,
            tag="rulesets",
            query=CompareQuery,
        ),
        Operation(
            id="roll_back_rules",
            method="POST",
            path="/v1/rulesets:rollback",
            summary="Make an earlier version active again, as a new version",
            handler=_roll_back,
            answers={200: RulesDifference},
            permission=Permission.ADMINISTER,
            tag="rulesets",
            body=Rollback,
        ),
    ]


def _file(operation_id: str, path: str, summary: str, answer: type[msgspec.Struct]) -> Operation:
    """An operation on a file of rules."""
    handlers = {"check_rules": _check, "diff_rules": _diff, "apply_rules": _apply}
    queries = {"check_rules": CheckQuery, "apply_rules": ApplyQuery}
    more = {} if operation_id not in queries else {"query": queries[operation_id]}
    return Operation(
        id=operation_id,
        method="POST",
        path=f"/v1/rulesets{path}",
        summary=summary,
        description=(_ANYWAY if operation_id == "apply_rules" else "") + _LISTS,
        handler=handlers[operation_id],
        answers={200: answer},
        permission=Permission.ADMINISTER if operation_id == "apply_rules" else Permission.READ,
        tag="rulesets",
        media={"application/yaml": TEXT, _JSON: RulesGiven},
        max_body=MAX_RULES,
        **more,  # type: ignore[arg-type]
    )


async def lists_of(conn: Connection, tenant: Tenant, given: Mapping[str, str]) -> ReadList:
    """Reads lists that are given, and for the rest those of the active version."""
    return (await _lists_in_force(conn, tenant, given))[0]


async def _lists_in_force(conn: Connection, tenant: Tenant, given: Mapping[str, str]) -> tuple[ReadList, int]:
    """The same, with that version (0 = none)."""
    stored: ReadList = no_lists
    if active := await _active(conn, tenant):
        stored = stored_lists((await store.source_of(conn, tenant.tenant_id, active)).lists)
    return lists_given(given, stored), active


async def _active(conn: Connection, tenant: Tenant) -> int:
    """The version in force now, 0 = none: what a call knows of its tenant may be seconds old."""
    found = await tenant_numbered(conn, tenant.tenant_id)
    return found.ruleset if found else 0


async def _given(call: Call) -> RulesGiven:
    """What the body holds, unless it was read already. Raises Refused."""
    if isinstance(call.body, RulesGiven):
        return call.body
    if call.request.content_type == _JSON:
        return convert_body(await json_body(call.request, MAX_RULES), RulesGiven)
    return RulesGiven(await text_of(call, YAML_TYPES, MAX_RULES))


def check_named(given: Mapping[str, str], named: Mapping[str, str]) -> None:
    """Lists that are given beside those that the rules name: one more has its name misspelt. Raises Refused."""
    unused = [
        FieldProblem(pointer_to("lists", name), worded("no rule names this list"))
        for name in sorted(given.keys() - named)
    ]
    if unused:
        raise Refused(Kind.INVALID, placed(unused[0].pointer, unused[0].reason), unused)


async def _check(call: Call) -> Answer:
    given = await _given(call)
    with refusals(call):
        async with call.connection() as conn:
            lists = await lists_of(conn, call.tenant, given.lists)
        # Long drafts take seconds and wait for each other: without a connection, which others need.
        rules, error = await apart(takes_long(given.rules), uncollected, _read, given.rules, lists)
        if rules is None:
            return Answer(RulesChecked(False, _problems(error), [], None))
        if error is None:
            check_named(given.lists, rules.lists)
        unread = ALL_READ if error is None else error.unread
        findings = await apart(has_many(rules), lint_rules, rules.ruleset, unread)
        findings += await lint_lent(call.connection, call.tenant, rules, unread, leads=call.query.leads)
    listed = [msgspec.convert(one, RulesFinding) for one in findings_document(rules, findings, parts=True)]
    fails = {Level.ERROR, Level.WARNING} if call.query.strict else {Level.ERROR}
    ok = error is None and not any(one.level in fails for one in findings)
    return Answer(RulesChecked(ok, _problems(error), listed, None if error else len(rules.ruleset.rules)))


def _read(source: str, lists: ReadList) -> tuple[RulesFile | None, RulesError | None]:
    """The rules as far as they can be read, and what is wrong with the rest."""
    try:
        return read_rules(source, _FILE, lists), None
    except RulesError as error:
        return error.readable, error


def _problems(error: RulesError | None) -> list[RulesProblem]:
    """What is made into JSON cannot be worded."""
    return [
        RulesProblem(str(one.file), one.line, one.field, str(one.message), parts_of(one.message))
        for one in (error.problems if error is not None else ())
    ]


async def _diff(call: Call) -> Answer:
    given = await _given(call)
    with refusals(call):
        async with call.connection() as conn:
            lists = await lists_of(conn, call.tenant, given.lists)
        rules = await read_apart(given.rules, _FILE, lists)
        check_named(given.lists, rules.lists)
        found = await store.compare(call.connection, call.tenant.tenant_id, rules)
    return Answer(msgspec.convert(applied_document(found), RulesDifference))


async def _apply(call: Call) -> Answer:
    given, query = await _given(call), call.query

    async def read() -> Given:
        async with call.connection() as conn:
            lists, base = await _lists_in_force(conn, call.tenant, given.lists)
        rules = await read_apart(given.rules, _FILE, lists)
        check_named(given.lists, rules.lists)
        return Given(rules, base if rules.lists.keys() - given.lists else None)

    with refusals(call, worded("the tenant's rules")):
        try:
            done = await apply_checked(
                call.connection,
                call.tenant,
                given.rules,
                read,
                call.actor,
                query.note,
                dry_run=query.dry_run,
                anyway=query.anyway,
                if_version=query.if_version,
            )
        except RulesFaulty as error:
            raise _not_applied(Kind.INVALID, error.rules, error.errors) from error
    rules = done.rules
    if done.stopped_by and not query.dry_run:
        raise _not_applied(
            Kind.CONFLICT, rules, done.stopped_by, worded("; correct the rules, or apply them with anyway")
        )
    document = applied_document(done.applied) | {
        "findings": findings_document(rules, done.findings, parts=True),
        "dry_run": query.dry_run,
        "stopped": bool(done.stopped_by),
    }
    return Answer(msgspec.convert(document, RulesApplied))


def _not_applied(kind: Kind, rules: RulesFile, findings: Sequence[Finding], what_to_do: Worded = NOTHING) -> Refused:
    """The refusal of rules with these errors or warnings, each with its line."""
    listed = [FieldProblem(f"line {one['line']}", _said(one)) for one in findings_document(rules, findings, parts=True)]
    return Refused(kind, _nothing_applied(listed[0].reason, len(listed) - 1) + what_to_do, listed)


def _said(finding: Json) -> str:
    said = restored(finding["message"], finding["parts"])
    if not finding["rule"]:
        return said
    if isinstance(said, Worded):
        return worded('rule "{rule}": {problem}', rule=finding["rule"], problem=said)
    return f'rule "{finding["rule"]}": {said}'


def _nothing_applied(reason: str, others: int) -> str:
    more = worded(" ({count} more)", count=others) if others else NOTHING
    if isinstance(reason, Worded):
        return worded("nothing was applied: {problem}", problem=reason) + more
    return f"nothing was applied: {reason}{more}"


async def _history(call: Call) -> Answer:
    before, limit = read_cursor(call.query.after, int), call.query.limit
    if before is not None:
        before = max(0, min(before, 2**31 - 1))
    async with call.connection() as conn:
        found = await store.history(conn, call.tenant.tenant_id, limit + 1, before)
        active = await _active(conn, call.tenant)
    shown, following = page(found, limit, lambda one: one.version)
    rows = [RulesVersion(*_entry(one), in_force=one.version == active) for one in shown]
    return Answer(RulesPage(rows, following))


def _entry(entry: store.Entry) -> tuple[int, Moment, str, str]:
    return entry.version, entry.applied_at, entry.author, entry.note


async def _show(call: Call) -> Answer:
    named, tenant = call.path["version"], call.tenant
    with refusals(call):
        async with call.connection() as conn:
            active = await _active(conn, tenant)
            version = active if named == ACTIVE and active else _version_of(named)
            found = await store.source_of(conn, tenant.tenant_id, version)
    words = {field: dict(of_field) for field, of_field in found.synonyms.items()}
    return Answer(RulesShown(*_entry(found), found.version == active, found.source, dict(found.lists), words))


async def _compare(call: Call) -> Answer:
    tenant = call.tenant
    with refusals(call):
        version = _version_of(call.path["version"])
        base = version - 1 if call.query.base is None else call.query.base
        found = await store.compare_versions(call.connection, tenant.tenant_id, base, version)
    return Answer(msgspec.convert(compared_document(version, base, found), RulesCompared))


def _version_of(text: str) -> int:
    """Raises Refused for what no version can be."""
    version = number_of(text, RULES_VERSION)
    if not 1 <= version < 2**31:
        raise not_there(RULES_VERSION, text[:40])
    return version


async def _roll_back(call: Call) -> Answer:
    tenant, wanted = call.tenant, call.body
    with refusals(call, worded("the tenant's rules")):
        applied = await store.roll_back(
            call.connection, tenant.tenant_id, wanted.version, call.actor, wanted.note, if_version=wanted.if_version
        )
    return Answer(msgspec.convert(applied_document(applied), RulesDifference))
