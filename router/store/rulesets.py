"""Rulesets in the database: versions that never change, one of them in force."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from router.domain.roster import Roster
from router.domain.roster_change import GroupNumbers
from router.domain.ruleset import Ruleset
from router.domain.worded import worded
from router.rules.file import RulesError, RulesFile
from router.rules.lists import ReadList, no_lists, stored_lists
from router.rules.rule_words import RuleWords, with_words, words_of, written
from router.rules.stored import new_groups_of, spelled
from router.store.apart import MANY_RULES, read_apart
from router.store.errors import LockNotAvailable
from router.store.groups import add_groups, group_names
from router.store.hints import call_routers
from router.store.statements import Connection, Row, load
from router.store.stored_rules import apart_for_routing, read_version
from router.store.synonyms import load_spellings
from router.store.transactions import limit_transaction, retried

if TYPE_CHECKING:
    from router.domain.ruleset_diff import Change

_SQL = load("rulesets")
_LOCK_WAIT_S = 30

NO_RULES = Ruleset(version=0, rules=())

Lend = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection for a while: what takes seconds to read and compare keeps none from others meanwhile."""


def keeping(conn: Connection) -> Lend:
    """Gives this connection each time, for who has one of its own."""
    return lambda: nullcontext(conn)


class RulesUnknown(LookupError):
    """The tenant has no ruleset of that version."""

    def __str__(self) -> str:
        return str(self.args[0])


class RulesBusy(Exception):
    """Another session was changing this tenant's rules or roster for too long; nothing was changed."""


class RulesMoved(Exception):
    """Another version is active than the one that a change was made for; nothing was changed."""

    def __init__(self, active: int, expected: int) -> None:
        now = worded("version {version} is active", version=active) if active else worded("there are no rules")
        super().__init__(
            worded(
                "the rules were changed meanwhile: {now}, and this change was made for version {expected}; "
                "nothing was changed",
                now=now,
                expected=expected,
            )
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the history; `applied_at` is aware and in UTC."""

    version: int
    applied_at: datetime
    author: str
    note: str


@dataclass(frozen=True, slots=True)
class Stored(Entry):
    """One version as it was applied: `source` is the YAML as it was given, `lists` the files it names, by name.

    `synonyms`: by field, the words that values of conditions also match.
    """

    source: str
    lists: Mapping[str, str]
    synonyms: RuleWords


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done. `version` is in force afterwards; it equals `previous` when nothing was applied.

    `changes` is the difference to the previous version, `new_groups` the groups that did not exist before.
    """

    version: int
    previous: int
    changes: tuple["Change", ...] = ()
    new_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Written:
    """A version that is in force now (`version` equals `previous` = it was already), not compared with the one before.

    `tenant` is the tenant's row as it was, `before` that of its version; `words` are those of the synonyms.
    """

    version: int
    tenant: Row
    before: Row | None
    rules: RulesFile
    words: RuleWords
    groups: GroupNumbers

    async def compared(self, conn: Connection | None) -> Applied:
        """With what it changed. The server hears of `conn` meanwhile, where there is one."""
        previous = self.tenant["ruleset"]
        if self.version == previous:
            return Applied(previous, previous)
        new = await _as_applied(conn, self.rules, self.tenant, self.groups, self.words)
        changes = await _changes(conn, self.before, new, self.groups)
        return Applied(self.version, previous, changes, tuple(self.groups.new.values()))


async def apply(
    conn: Connection,
    tenant_id: int,
    source: str,
    author: str,
    note: str = "",
    *,
    file: str = "rules",
    lists: ReadList = no_lists,
    if_version: int | None = None,
) -> Applied:
    """Makes the YAML in `source` the rules in force, as a new version, in one transaction.

    Rules that are active already make no version, unless the tenant's synonyms have other words for their values since.
    Groups that rules name get their numbers here. `file` stands for the source in messages; the texts of the lists that
    it names, and those words, are stored with it. `if_version`: only while that version is active (0 = none).
    Raises RulesError, ZoneDiffers, LookupError when there is no such tenant, RulesBusy, RulesMoved.
    """
    rules = await read_apart(source, file, lists, conn)
    done = await _write(conn, tenant_id, source, rules, author, note, if_version=if_version)
    return await done.compared(conn)


async def apply_read(
    lend: Lend,
    tenant_id: int,
    source: str,
    rules: RulesFile,
    author: str,
    note: str = "",
    *,
    if_version: int | None = None,
) -> Applied:
    """As `apply`, of rules that were read from `source` already; with a connection only while they are stored."""
    async with lend() as conn:
        done = await _write(conn, tenant_id, source, rules, author, note, if_version=if_version)
    return await done.compared(None)


async def apply_again(conn: Connection, tenant_id: int, version: int, author: str, note: str) -> Applied:
    """Puts a version that is active in force again, as a new one with its source and lists, so that it is read again.

    Raises what `apply` raises.
    """
    old = await source_of(conn, tenant_id, version)
    rules = await read_apart(old.source, f"ruleset version {version}", stored_lists(old.lists), conn)
    done = await _write(conn, tenant_id, old.source, rules, author, note, always=True)
    return await done.compared(conn)


@retried
async def _write(
    conn: Connection,
    tenant_id: int,
    source: str,
    rules: RulesFile,
    author: str,
    note: str,
    *,
    always: bool = False,
    if_version: int | None = None,
) -> _Written:
    async with conn.transaction():
        tenant = await _locked(conn, tenant_id)
        if if_version is not None and tenant["ruleset"] != if_version:
            raise RulesMoved(tenant["ruleset"], if_version)
        before = await _SQL.version.row(conn, tenant_id=tenant_id, version=tenant["ruleset"])
        words = words_of(rules.ruleset, await load_spellings(conn, tenant_id))
        groups = await _groups(conn, tenant_id)
        if not always and before is not None and _is(before, source, rules, words):
            return _Written(tenant["ruleset"], tenant, before, rules, words, groups)
        new_groups_of(rules.for_tenant(0, tenant["time_zone"]), groups)
        version = await _SQL.last_version.value(conn, tenant_id=tenant_id) + 1
        about = {"author": author, "note": note, "source": source}
        about |= {"lists": json.dumps(dict(rules.lists)), "synonyms": json.dumps(words)}
        await _SQL.add.execute(conn, tenant_id=tenant_id, version=version, **about)
        await add_groups(conn, tenant_id, groups)
        await _SQL.put_in_force.execute(conn, tenant_id=tenant_id, version=version)
        await call_routers(conn, tenant_id)
    return _Written(version, tenant, before, rules, words, groups)


async def roll_back(
    lend: Lend,
    tenant_id: int,
    version: int | None,
    author: str,
    note: str = "",
    *,
    if_version: int | None = None,
) -> Applied:
    """Puts an earlier version (None = the one before) in force again, as a new version with its source and lists.

    A new number, because waiting leads are tried again under a new number, and so that the history shows the rollback.
    Where another version came in between, "the one before" is that of when it was asked. Raises RulesUnknown, and what
    `apply` raises.
    """
    async with lend() as conn:
        if version is None:
            tenant = _found(await _SQL.tenant.row(conn, tenant_id=tenant_id), tenant_id)
            version = tenant["ruleset"] - 1
            if version < 1:
                before = worded("there is no version before the active one")
                raise RulesUnknown(before if version == 0 else worded("there are no rules yet"))
        old = await source_of(conn, tenant_id, version)
    note = note or f"back to version {version}"
    rules = await read_apart(old.source, f"ruleset version {version}", stored_lists(old.lists))
    return await apply_read(lend, tenant_id, old.source, rules, author, note, if_version=if_version)


async def compare(lend: Lend, tenant_id: int, rules: RulesFile) -> Applied:
    """What `apply` would do with these rules, locking and writing nothing; both versions are the one in force.

    Raises ZoneDiffers, LookupError when there is no such tenant.
    """
    async with lend() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        tenant = _found(await _SQL.tenant.row(conn, tenant_id=tenant_id), tenant_id)
        before = await _SQL.version.row(conn, tenant_id=tenant_id, version=tenant["ruleset"])
        groups = await _groups(conn, tenant_id)
        spellings = await load_spellings(conn, tenant_id)
    words = await apart_for_routing(None, len(rules.ruleset.rules) > MANY_RULES, words_of, rules.ruleset, spellings)
    new = await _as_applied(None, rules, tenant, groups, words)
    changes = await _changes(None, before, new, groups)
    return Applied(tenant["ruleset"], tenant["ruleset"], changes, tuple(groups.new.values()))


async def compare_versions(lend: Lend, tenant_id: int, base: int, version: int) -> tuple["Change", ...]:
    """What is different in a version, compared with a version `base` (0 = no rules).

    Raises RulesUnknown, and RulesError when this release cannot read `version`.
    """
    async with lend() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        before = await _row(conn, tenant_id, base) if base else None
        after = await _row(conn, tenant_id, version)
        groups = await _groups(conn, tenant_id)
    return await _changes(None, before, await read_version(None, after, groups), groups)


async def load_ruleset(conn: Connection, tenant_id: int, version: int) -> Ruleset:
    """A version as routing uses it: in the tenant's zone, groups spelled as they are stored.

    Raises RulesUnknown, and RulesError when this release cannot read it.
    """
    row = await _row(conn, tenant_id, version)
    return await read_version(conn, row, await _groups(conn, tenant_id))


async def source_of(conn: Connection, tenant_id: int, version: int) -> Stored:
    """A version as it was applied. Raises RulesUnknown."""
    row = await _row(conn, tenant_id, version)
    about = (row["version"], row["applied_at"], row["author"], row["note"])
    return Stored(*about, row["source"], json.loads(row["lists"]), json.loads(row["synonyms"]))


async def history(conn: Connection, tenant_id: int, limit: int = 1000, before: int | None = None) -> list[Entry]:
    """The versions of a tenant's rules, those below `before` (None = all), the last one first."""
    rows = await _SQL.history.fetch(conn, tenant_id=tenant_id, before=before, limit=limit)
    return [Entry(*row) for row in rows]


async def as_in_force(
    conn: Connection, tenant_id: int, rules: RulesFile, roster: Roster, version: int
) -> tuple[Ruleset, Roster]:
    """Rules as routing would use them, were they applied, and the roster with the groups that they would add.

    Writes nothing. Raises ZoneDiffers, LookupError when there is no such tenant.
    """
    tenant = _found(await _SQL.tenant.row(conn, tenant_id=tenant_id), tenant_id)
    groups = await _groups(conn, tenant_id)
    words = words_of(rules.ruleset, await load_spellings(conn, tenant_id))
    ruleset = await _as_applied(conn, rules, tenant, groups, words)
    return replace(ruleset, version=version), replace(roster, group_names=dict(groups.names))


async def _locked(conn: Connection, tenant_id: int) -> Row:
    """The tenant's row, with the right to make the next version."""
    await limit_transaction(conn, _LOCK_WAIT_S * 1000)
    try:
        return _found(await _SQL.lock_tenant.row(conn, tenant_id=tenant_id), tenant_id)
    except LockNotAvailable as error:
        raise RulesBusy(
            worded(
                "another session has been changing the tenant's rules or roster for {seconds} s; nothing was "
                "changed, try again",
                seconds=_LOCK_WAIT_S,
            )
        ) from error


def _found(tenant: Row | None, tenant_id: int) -> Row:
    if tenant is None:
        raise LookupError(f"there is no tenant number {tenant_id}")
    return tenant


async def _as_applied(
    conn: Connection | None, rules: RulesFile, tenant: Row, groups: GroupNumbers, words: RuleWords
) -> Ruleset:
    """The new rules in the tenant's zone; their new groups are interned in `groups`."""
    new = rules.for_tenant(0, tenant["time_zone"])

    def made() -> Ruleset:
        return spelled(with_words(new, words), groups)

    return await apart_for_routing(conn, len(new.rules) > MANY_RULES, made)


def _is(before: Row, source: str, rules: RulesFile, words: RuleWords) -> bool:
    """Whether a stored version is what would be stored."""
    stored = (before["source"], json.loads(before["lists"]), json.loads(before["synonyms"]))
    return stored == (source, rules.lists, words)


async def _changes(
    conn: Connection | None, before: Row | None, new: Ruleset, groups: GroupNumbers
) -> tuple["Change", ...]:
    """From the rules in force to the new ones."""
    old = replace(NO_RULES, business_time_zone=new.business_time_zone)
    if before is not None:
        # Where an earlier release wrote what this one cannot read, all of the new rules are news.
        with suppress(RulesError):
            old = await read_version(conn, before, groups)
    from router.domain.ruleset_diff import diff_rulesets  # noqa: PLC0415 - routing reads versions, and compares none

    def differences() -> tuple["Change", ...]:
        # What was written is compared; which words synonyms add is compared by itself.
        return tuple(diff_rulesets(written(old), written(new)))

    # Not behind drafts that are checked, which takes a minute: who has applied rules waits for this.
    return await apart_for_routing(conn, max(len(old.rules), len(new.rules)) > MANY_RULES, differences)


async def _row(conn: Connection, tenant_id: int, version: int) -> Row:
    row = await _SQL.version.row(conn, tenant_id=tenant_id, version=version)
    if row is None:
        last = await _SQL.last_version.value(conn, tenant_id=tenant_id)
        known = worded("versions go from 1 to {last}", last=last) if last else worded("there are no rules yet")
        raise RulesUnknown(worded("there is no version {version} of the rules; {known}", version=version, known=known))
    return row


async def _groups(conn: Connection, tenant_id: int) -> GroupNumbers:
    return GroupNumbers(await group_names(conn, tenant_id))
