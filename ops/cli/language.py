"""In which language commands speak to people: by LC_ALL, LC_MESSAGES and LANG, with English for what is not translated.

Errors are raised in English, by code that knows no languages. Here their sentences are recognised by their templates.
"""

import os
import re
from functools import cache

from ops.text.translation import ENGLISH, N_, Say, language_of, translator

ERRORS = (
    N_("there is no tenant {name}, nor any other; lead-router tenants add NAME --time-zone ZONE"),
    N_("there is no tenant {name}; did you mean {meant}? known tenants: {known}"),
    N_("there is no tenant {name}; known tenants: {known}"),
    N_("there is no tenant yet: lead-router tenants add NAME --time-zone ZONE"),
    N_("there are {count} tenants ({names}): name one with --tenant, or in LEAD_ROUTER_TENANT"),
    N_("there is no lead number {number}; to look one up by its external id add --tenant T"),
    N_("tenant {tenant} has no lead with the external id or number {id}"),
    N_("{count} sources have a lead {id}; say which: {ways}"),
    N_("lead {lead} is {state}, not assigned; there is nothing to end"),
    N_("lead {lead} is {state}; it cannot be given to a rep"),
    N_("lead {lead} is locked; nothing changed, try again{who}"),
    N_("lead {lead} or its lane is locked; nothing changed, try again{who}"),
    N_("there is no rep {rep}; lead-router reps list shows who there is"),
    N_("rep {rep} has this lead already"),
    N_("rep {rep} is not active; lead-router reps set {same} --active yes"),
    N_("rep {rep} has {leads}, which is max_open; end one or raise the cap"),
    N_("rep {rep} has had {leads} today, which is max_per_day; wait or raise the cap"),
    N_("no connection to the database ({where}): {why}"),
    N_("database error ({where}): {why}; only what was confirmed was changed{who}"),
    N_("database error ({where}): {why}; nothing was changed{who}"),
    N_("the database cannot take a value: {why}; nothing was changed"),
    N_(
        "no database is configured: set LEAD_ROUTER_DATABASE_URL; without one, `lead-router up`, `lead-router migrate` "
        "and `lead-router tenants add` create an embedded database in {folder}"
    ),
    N_(
        "the database's schema is older than this version: {missing} not applied; run `lead-router migrate`",
    ),
    N_("the database refuses: {why}; check LEAD_ROUTER_DATABASE_URL"),
    N_("tenant {tenant} has no rules yet: lead-router rules apply FILE --tenant {same}"),
    N_("status could not read: {why}"),
    N_("the audit could not read: {why}"),
)
"""Templates of errors that people meet often; a test raises them."""


def say() -> Say:
    """What translates for the person at the terminal."""
    return translator(language_of(os.environ))


def error_words(message: str, language: Say) -> str:
    """An error's message in the language, as far as one of the templates is what it says."""
    if language is ENGLISH:
        return message
    for template, pattern in _patterns():
        if (found := pattern.fullmatch(message)) is not None and (words := language.gettext(template)) != template:
            return words.format(**found.groupdict())
    return message


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    # The longest first: a shorter one may be filled with what a longer one says.
    ordered = sorted(ERRORS, key=lambda template: len(re.sub(r"\{\w+\}", "", template)), reverse=True)
    return tuple((template, re.compile(_pattern(template), re.DOTALL)) for template in ordered)


def _pattern(template: str) -> str:
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(f"(?P<{part}>.*?)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
