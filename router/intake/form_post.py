"""What a posted form says beside the lead: where to go afterwards, and whether a machine filled it in. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from router.intake.form_body import CHARSET, join_values, read_form
from router.rules.source_file import FormDoor

REDIRECT = "_redirect"
"""The field with which a form chooses another of the allowed addresses."""


class FormPost(NamedTuple):
    """`fields` are those of the lead. `redirect` is an allowed address, None = there is none. `trapped`: the field that
    people do not see is filled.
    """

    fields: Mapping[str, object]
    redirect: str | None
    trapped: bool


def read_post(door: FormDoor, content_type: str, body: bytes) -> FormPost:
    """Raises FormError."""
    pairs = read_form(content_type, body)
    trapped = any(name == door.honeypot and value.strip() for name, value in pairs)
    asked = next((value for name, value in pairs if name == REDIRECT), "")
    taken_out = (REDIRECT, CHARSET, door.honeypot)
    rest = [(name, value) for name, value in pairs if name not in taken_out]
    return FormPost(join_values(rest, door.several), chosen_redirect(door, asked), trapped)


def chosen_redirect(door: FormDoor, asked: str) -> str | None:
    """What the form asks for where that is allowed, to the letter; else the first that is."""
    return asked if asked in door.redirects else next(iter(door.redirects), None)
