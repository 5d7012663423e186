"""A draft of rules: checked as it is typed, replayed, applied. It lives in its form, which each page gives back."""

from contextlib import suppress
from typing import Any

from aiohttp import web

from ops.console.draft import STARTER, Draft, draft_of, moment_in, to_apply, with_line_feeds, yesterday
from ops.console.pages.rules import CHANGES_SHOWN
from ops.console.pages.rules_replay import replayed_values
from ops.console.refusal import Said, refusal_of
from ops.console.rules_check import Checked, active_version, check, too_long
from ops.console.rules_words import LEVELS, PILLS, ChangeRow, change_rows
from ops.console.text_diff import text_diff
from ops.console.view import View
from ops.text.translation import N_
from router.http.problems import Kind, Refused

LEADS_KEPT = 1_000
_NUL = N_("Line {line} has a NUL character, which rules cannot have: remove it.")
_NO_TIME = N_("{value} is not a valid time; write 2026-11-29T14:00")
_CANNOT_APPLY = N_("Nothing can be applied yet: what is wrong is listed here.")
_NO_WHY = N_("say why: the reason is recorded with it")
_NO_CHANGE = N_("Nothing was changed: these rules are in force already, as version {version}.")


async def new(view: View) -> web.Response:
    """A new draft: the text of the version in force, or of another one."""
    active, wanted = await active_version(view), view.query.get("from")
    begun = await view.ask("get_ruleset", path={"version": wanted}) if wanted else active
    since, until = yesterday(view.now, view.zone_name)
    text = STARTER if begun is None else with_line_feeds(begun.source)
    return await _page(view, Draft(text, 0 if active is None else active.version, since, until), leads=False)


async def look(view: View) -> web.Response:
    """The draft as it was sent, checked. While somebody types only what was found is sent back."""
    draft = _draft(view)
    if view.request.headers.get("HX-Target") == "checked":
        found = await _looked_at(view, draft, leads=False)
        return view.render("rules_checked.html", draft=draft, problem=None, **found)
    return await _page(view, draft)


async def start_replay(view: View) -> web.Response:
    """Starts a replay of the time that was chosen, as a job."""
    draft = _draft(view)
    body: dict[str, Any] = {"kind": "replay", "rules": draft.text or "\n", "limit": LEADS_KEPT}
    for name, value in (("since", draft.since), ("until", draft.until)):
        try:
            at = moment_in(value, view.zone_name)
        except ValueError:
            raise Said(Kind.INVALID, view.say.gettext(_NO_TIME).format(value=repr(value[:40]))) from None
        if at is not None:
            body[name] = at.isoformat()
    job = await view.ask("start_job", body=body)
    draft = draft.with_replay(job.id)
    if view.request.headers.get("HX-Target") == "replay":
        return view.render("rules_draft_replay.html", draft=draft, problem=None, **_of_job(view, job))
    return await _page(view, draft)


async def preview(view: View) -> web.Response:
    """What applying the draft would change, and the form that does it."""
    return await _preview(view, _draft(view))


async def _preview(view: View, draft: Draft, problem: Refused | None = None) -> web.Response:
    active = await active_version(view)
    source = None if active is None else active.source
    if too_long(view, draft.text):
        return await _page(view, draft, problem=Said(Kind.INVALID, view.say.gettext(_CANNOT_APPLY)))
    try:
        body = {"rules": to_apply(draft.text, source) or "\n"}
        plan = await view.ask("apply_rules", query={"dry_run": "true"}, body=body)
    except Refused as refused:
        if refused.kind is not Kind.INVALID:
            raise
        return await _page(view, draft, problem=Said(Kind.INVALID, view.say.gettext(_CANNOT_APPLY)))
    found = Checked([], plan.findings, None, leads=True)
    return view.render(
        "rules_apply.html",
        200 if problem is None else problem.kind.status,
        draft=draft,
        problem=problem,
        active=active,
        plan=plan,
        checked=found,
        levels=LEVELS,
        pills=PILLS,
        lines=text_diff(with_line_feeds(source or ""), draft.text),
        why=view.form.get("why", ""),
        **_changes(view, plan.changes),
    )


async def apply(view: View) -> web.Response:
    """Makes the draft the rules in force, as the command does: not with warnings, unless that was ticked."""
    draft, why = _draft(view), view.form.get("why", "").strip()
    if not why:
        return await _preview(view, draft, Said(Kind.INVALID, view.say.gettext(_NO_WHY)))
    active = await active_version(view)
    query = {"note": why[:1_000], "anyway": "true" if view.form.get("anyway") else "false"}
    if view.form.get("if_version"):
        query["if_version"] = view.form["if_version"]
    body = {"rules": to_apply(draft.text, None if active is None else active.source) or "\n"}
    try:
        done = await view.ask("apply_rules", query=query, body=body)
    except Refused as refused:
        if refused.kind not in (Kind.CONFLICT, Kind.INVALID):
            raise
        return await _preview(view, draft, refused)
    return view.go(view.link(f"/rules/versions/{done.version}"), _done(view, done))


def _done(view: View, done: Any) -> str:
    if done.version == done.previous:
        return view.say.gettext(_NO_CHANGE).format(version=done.version)
    said = view.say.ngettext(
        "Version {version} is in force: {count:,} change.",
        "Version {version} is in force: {count:,} changes.",
        len(done.changes),
    )
    return said.format(version=done.version, count=len(done.changes))


async def refused(view: View, error: Exception) -> web.Response:
    """Why something was not done, with the draft as it was sent."""
    if "draft" not in view.form:
        raise error
    draft, said = _draft(view), refusal_of(view, error)
    if "\0" in draft.text:
        line = draft.text.count("\n", 0, draft.text.index("\0")) + 1
        said = Said(Kind.INVALID, view.say.gettext(_NUL).format(line=line))
    at_replay = view.request.path.endswith("/replay")
    return view.render(
        "rules_draft.html",
        said.kind.status,
        draft=draft,
        problem=None if at_replay else said,
        replay_problem=said if at_replay else None,
        **_not_looked_at(),
        **_of_job(view, None),
    )


def _draft(view: View) -> Draft:
    return draft_of(view.form, view.now, view.zone_name)


async def _page(view: View, draft: Draft, *, leads: bool = True, problem: Refused | None = None) -> web.Response:
    return view.render(
        "rules_draft.html",
        200 if problem is None else problem.kind.status,
        draft=draft,
        problem=problem,
        replay_problem=None,
        **await _looked_at(view, draft, leads=leads),
        **_of_job(view, await _job(view, draft)),
    )


async def _looked_at(view: View, draft: Draft, *, leads: bool) -> dict[str, Any]:
    """What is wrong or odd in the draft, and what it changes in the rules in force."""
    active = await active_version(view)
    unsaved = active is None or with_line_feeds(active.source) != draft.text
    values = _not_looked_at() | {"active": active, "unsaved": unsaved, "source_lines": draft.text.split("\n")}
    if said := too_long(view, draft.text):
        return values | {"too_long": said}
    checked = await check(view, draft.text, leads=leads)
    values |= {"checked": checked}
    if checked.problems:
        return values
    # Rules of another time zone are an error of the check already.
    with suppress(Refused):
        found = await view.ask("diff_rules", body={"rules": draft.text})
        values |= _changes(view, found.changes) | {"new_groups": found.new_groups, "compared": True}
    return values


def _not_looked_at() -> dict[str, Any]:
    return {
        "active": None,
        "unsaved": True,
        "checked": None,
        "too_long": None,
        "changes": list[ChangeRow](),
        "more": 0,
        "new_groups": [],
        "compared": False,
        "source_lines": [],
        "levels": LEVELS,
        "pills": PILLS,
    }


def _changes(view: View, changes: list[Any]) -> dict[str, Any]:
    return {
        "changes": change_rows(changes[:CHANGES_SHOWN], view.say),
        "more": max(0, len(changes) - CHANGES_SHOWN),
    }


async def _job(view: View, draft: Draft) -> Any:
    """The last replay; None where there is none, or it is not known any more."""
    if not draft.job:
        return None
    try:
        return await view.ask("get_job", path={"job": draft.job})
    except Refused as gone:
        if gone.kind not in (Kind.NOT_FOUND, Kind.ELSEWHERE):
            raise
        return None


def _of_job(view: View, job: Any) -> dict[str, Any]:
    return {"job": job, "replayed": None if job is None else replayed_values(job)}
