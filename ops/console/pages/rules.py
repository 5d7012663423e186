"""The rules in force, earlier versions, what differs between two of them, and going back to one."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ops.console.refusal import why_of
from ops.console.rules_check import active_version, check
from ops.console.rules_read import read_shared
from ops.console.rules_words import (
    CHANGE_COLUMNS,
    LEVELS,
    PILLS,
    TABLE_COLUMNS,
    change_rows,
    rule_rows,
    setting_rows,
    table_cells,
)
from ops.console.text_diff import text_diff
from ops.console.view import View
from ops.text.translation import N_
from router.domain.ruleset import Ruleset
from router.domain.worded import worded
from router.http.problems import Kind, Refused

CHANGES_SHOWN, VERSIONS_SHOWN = 200, 20
_IN_FILE = 1_000
_VERSION_COLUMNS = ("version", "applied_at", "author", "note", "in_force")
_ACTIVE = "active"
_NO_CHANGE = N_("Nothing was changed: these rules are in force already, as version {version}.")
_IN_FORCE = N_("Version {version} is in force: it has the rules of version {old}.")


async def rules(view: View) -> web.Response:
    """The version in force, and all that there were."""
    active = await active_version(view)
    after = view.query.get("after")
    query = {"limit": str(VERSIONS_SHOWN), **({"after": after} if after else {})}
    history = await view.ask("list_rulesets", query=query)
    return await _with_table(view, "rules.html", active, versions=history.rulesets, next=history.next)


async def version(view: View) -> web.Response:
    """One version: as a table, and as it was written."""
    shown = await _version(view, view.request.match_info["version"])
    return await _with_table(view, "rules_version.html", shown)


async def _with_table(view: View, template: str, shown: Any, **values: Any) -> web.Response:
    """In a thread: of ten thousand rules the page has four million characters."""
    values |= await table(view, shown)
    return await asyncio.to_thread(view.render, template, shown=shown, **values)


async def table(view: View, shown: Any) -> Mapping[str, Any]:
    """What a page shows of a version (None = there is none): its rules (None = they cannot be read) and settings."""
    ruleset = None if shown is None else await _read(shown)
    if ruleset is None:
        return {"rules": None, "settings": []}
    rows = await asyncio.to_thread(rule_rows, ruleset, view.say)
    return {"rules": rows, "settings": setting_rows(ruleset)}


async def _read(shown: Any) -> Ruleset | None:
    return await read_shared(shown.source, shown.lists)


async def _version(view: View, named: str) -> Any:
    return await view.ask("get_ruleset", path={"version": named})


async def rules_csv(view: View) -> web.Response:
    """The table of a version."""
    shown = await _version(view, view.query.get("version") or _ACTIVE)
    ruleset = await _read(shown)
    return view.csv(f"rules-{shown.version}", TABLE_COLUMNS, () if ruleset is None else table_cells(ruleset))


async def versions_csv(view: View) -> web.Response:
    """The newest versions."""
    history = await view.ask("list_rulesets", query={"limit": str(_IN_FILE)})
    rows = ([getattr(one, name) for name in _VERSION_COLUMNS] for one in history.rulesets)
    return view.csv("rule-versions", _VERSION_COLUMNS, rows)


async def lint(view: View) -> web.Response:
    """What is odd in the version in force: loaded apart, as it looks at the leads of the last months."""
    active = await active_version(view)
    checked = None if active is None else await check(view, active.source, leads=True)
    return view.render("rules_lint.html", shown=active, checked=checked, levels=LEVELS, pills=PILLS)


async def compare(view: View) -> web.Response:
    """What differs between two versions: in the words of the rules, and line by line."""
    found = await _compared(view)
    old = await _version(view, str(found.base)) if found.base else None
    new = await _version(view, str(found.version))
    return view.render(
        "rules_compare.html",
        found=found,
        changes=change_rows(found.changes[:CHANGES_SHOWN], view.say),
        more=max(0, len(found.changes) - CHANGES_SHOWN),
        lines=text_diff("" if old is None else old.source, new.source),
        lists=sorted(name for name in {**_lists(old), **_lists(new)} if _lists(old).get(name) != _lists(new).get(name)),
        old=old,
        new=new,
    )


async def compare_csv(view: View) -> web.Response:
    """The differences."""
    found = await _compared(view)
    rows = ([one[name] for name in CHANGE_COLUMNS] for one in found.changes)
    return view.csv(f"rules-{found.base}-{found.version}", CHANGE_COLUMNS, rows)


async def _compared(view: View) -> Any:
    query = view.query
    wanted = query.get("to") or str((await _version(view, _ACTIVE)).version)
    base = {"base": query["from"]} if query.get("from") else {}
    return await view.ask("compare_rulesets", path={"version": wanted}, query=base)


def _lists(shown: Any) -> Mapping[str, str]:
    return {} if shown is None else shown.lists


async def roll_back_form(view: View) -> web.Response:
    """What going back to a version would change, and the form that does it."""
    return await _roll_back_page(view, view.query.get("to", ""))


async def _roll_back_page(view: View, wanted: str, problem: Refused | None = None) -> web.Response:
    old, active = await _version(view, wanted), await _version(view, _ACTIVE)
    found = await view.ask("diff_rules", body={"rules": old.source, "lists": dict(old.lists)})
    return view.render(
        "rules_rollback.html",
        200 if problem is None else problem.kind.status,
        problem=problem,
        old=old,
        active=active,
        changes=change_rows(found.changes[:CHANGES_SHOWN], view.say),
        more=max(0, len(found.changes) - CHANGES_SHOWN),
        lines=text_diff(active.source, old.source),
        why=view.form.get("why", ""),
    )


async def roll_back(view: View) -> web.Response:
    """Makes an earlier version the one in force, unless another one came in between."""
    wanted, expected = view.form.get("version", ""), view.form.get("if_version", "")
    if not (wanted.isascii() and wanted.isdecimal() and expected.isascii() and expected.isdecimal()):
        raise Refused(Kind.INVALID, worded("the form does not say which version; load the page again"))
    body = {"version": int(wanted), "if_version": int(expected)}
    try:
        done = await view.ask("roll_back_rules", body={**body, "note": why_of(view)})
    except Refused as refused:
        if refused.kind not in (Kind.CONFLICT, Kind.INVALID):
            raise
        return await _roll_back_page(view, wanted, refused)
    said = _NO_CHANGE if done.version == done.previous else _IN_FORCE
    notice = view.say.gettext(said).format(version=done.version, old=wanted)
    return view.go(view.link(f"/rules/versions/{done.version}"), notice)
