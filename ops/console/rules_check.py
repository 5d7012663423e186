"""Rules as the API checks them and compares them with those in force, within the time that a page has."""

import asyncio
from dataclasses import dataclass
from typing import Any

from ops.console.view import View
from ops.text.translation import N_
from router.http.problems import Kind, Refused

MAX_DRAFT = 200_000
"""A longer draft is not read here, in characters."""

_TOO_LONG = N_(
    "The draft has {count:,} characters; the console takes at most {limit:,}. Use lead-router rules check and apply."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `leads` = values were compared with those of leads, too."""

    problems: list[Any]
    findings: list[Any]
    rules: int | None
    leads: bool

    @property
    def errors(self) -> int:
        """How much of it keeps the rules from being applied."""
        return len(self.problems) + self.count("error")

    @property
    def ordered(self) -> list[Any]:
        """The findings, the surest first."""
        places = {"error": 0, "warning": 1, "hint": 2}
        return sorted(self.findings, key=lambda one: (places[one.level], one.line))

    def count(self, level: str) -> int:
        """How many findings of a level."""
        return sum(one.level == level for one in self.findings)


async def active_version(view: View) -> Any:
    """The version in force; None = the tenant has no rules yet."""
    try:
        return await view.ask("get_ruleset", path={"version": "active"})
    except Refused as refused:
        if refused.kind is not Kind.NOT_FOUND:
            raise
        return None


async def check(view: View, rules: str, *, leads: bool) -> Checked:
    """What is wrong or odd in rules, with the lists in force. Where comparing values with leads takes too long, it is
    left out.
    """
    if leads:
        try:
            async with asyncio.timeout(view.shared.settings.page_deadline_s / 2):
                return await _check(view, rules, leads=True)
        except TimeoutError:
            pass
    return await _check(view, rules, leads=False)


async def _check(view: View, rules: str, *, leads: bool) -> Checked:
    # A file without a character is empty, as one with blanks.
    body = {"rules": rules or "\n"}
    found = await view.ask("check_rules", query={"leads": "true" if leads else "false"}, body=body)
    return Checked(found.problems, found.findings, found.rules, leads)


def too_long(view: View, draft: str) -> str | None:
    """What to say of a draft that is not read; None = it is."""
    if len(draft) <= MAX_DRAFT:
        return None
    return view.say.gettext(_TOO_LONG).format(count=len(draft), limit=MAX_DRAFT)
