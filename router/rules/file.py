"""Reading routing rules from YAML: all of it is understood, or everything wrong with it is reported."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.domain.ruleset import Ruleset
from router.domain.worded import worded
from router.rules.document import top_of
from router.rules.lists import Lists, ReadList, no_lists
from router.rules.problems import InvalidFile, Problem
from router.rules.schema import top_level

if TYPE_CHECKING:
    from router.domain.lint import Unread

UNSTATED_ZONE = "UTC"


class RulesError(InvalidFile):
    """The text holds no valid ruleset.

    `readable` is what could be read, for lints alone and never to be applied; None = nothing could.
    """

    def __init__(self, problems: Iterable[Problem], readable: "RulesFile | None" = None) -> None:
        super().__init__(problems)
        self.readable = readable

    @property
    def unread(self) -> "Unread":
        """The fields that are not, or not wholly, in what is readable."""
        from router.domain.lint import Unread  # noqa: PLC0415 - only who looks for lints reads it

        return Unread(frozenset(problem.field for problem in self.problems))


class ZoneDiffers(ValueError):
    """The rules state another business time zone than their tenant has."""


@dataclass(frozen=True, slots=True)
class RulesFile:
    """A ruleset as it is in a file, not of a tenant yet. `stated_zone`: None where it names none.

    `lists` are the texts of the lists that it names; `lines` (from 1) of its fields, by paths such as
    `rules[0].match.region`.
    """

    ruleset: Ruleset
    stated_zone: str | None
    lists: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def for_tenant(self, version: int, time_zone: str) -> Ruleset:
        """As a version of a tenant in that zone. Raises ZoneDiffers when the file states another."""
        if self.stated_zone is not None and self.stated_zone != time_zone:
            raise ZoneDiffers(
                worded(
                    "business_time_zone is {stated}, but the tenant's is {zone} and stays so; write "
                    "business_time_zone: {zone}, or leave the line out",
                    stated=self.stated_zone,
                    zone=time_zone,
                )
            )
        return dataclasses.replace(self.ruleset, version=version, business_time_zone=time_zone)


def read_rules(text: str, file: str, lists: ReadList = no_lists) -> RulesFile:
    """The rules in `text`; `file` stands for it in messages, `lists` reads what conditions name with in_file.

    Raises RulesError with all that is wrong.
    """
    try:
        top = top_of(text, file, Lists(lists))
    except InvalidFile as error:
        raise RulesError(error.problems) from None
    if top is None:
        said = worded("is empty; a ruleset has at least one rule under rules:")
        raise RulesError([Problem(file, 1, "", said)])
    try:
        values = top.read(top_level)
    except InvalidFile as error:
        raise RulesError(error.problems) from None
    problems, lines, texts = top.problems, top.lines, top.lists.texts
    # An error keeps what is named here: nodes are many times larger than the text.
    del top
    if values is None:
        raise RulesError(problems)
    stated = values.pop("business_time_zone", None)
    values.setdefault("rules", ())
    ruleset = Ruleset(version=0, business_time_zone=stated or UNSTATED_ZONE, **values)
    read = RulesFile(ruleset, stated, texts, lines)
    if problems:
        raise RulesError(problems, read)
    return read
