"""Judging what a view says, before any of it is believed: pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops.roster_sync.view import ViewRefused, ViewRows
from router.domain.rep_fields import RepLine, read_field
from router.domain.worded import Worded, said_by, worded, worded_count
from router.domain.worded_phrases import worded_list

WARNINGS_MOST = 50
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_COLUMN = "column "
_EXPECTED = {
    "active": ("boolean",),
    "available": ("boolean",),
    "weight": _NUMBERS,
    "max_open": _NUMBERS,
    "max_per_day": _NUMBERS,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What may be taken; `unknown` = reps whose availability is not understood, `warnings` all that is to be told."""

    lines: Sequence[RepLine]
    warnings: tuple[str, ...]
    unknown: int


def judge(
    view: ViewRows, known: Collection[str], types_before: Mapping[str, str], at: datetime, *, accept_loss: bool = False
) -> Judged:
    """The reps of the view, read at `at` (UTC). `known` are the ids of all reps that are in the roster.

    A value that is not understood leaves the field of a known rep as it is; a rep who is new to us comes when all but
    the availability is understood. Raises ViewRefused when the view as a whole cannot be believed.
    """
    if not view.rows:
        raise ViewRefused(worded("it is empty"))
    ids = [(row["rep_id"] or "").strip() for row in view.rows]
    if "" in ids:
        raise ViewRefused(
            worded_count(
                "{empty} of its {count:,} row without rep_id",
                "{empty} of its {count:,} rows without rep_id",
                len(ids),
                empty=ids.count(""),
            )
        )
    twice = [rep_id for rep_id, rows in Counter(ids).items() if rows > 1]
    if twice:
        raise ViewRefused(
            worded_count(
                "{count:,} rep is in it more than once: {reps}",
                "{count:,} reps are in it more than once: {reps}",
                len(twice),
                reps=worded_list(twice),
            )
        )
    # Last, since only this may be accepted.
    lost = sorted(field for field in types_before if field not in view.types)
    if lost and not accept_loss:
        gone = worded("it has lost {columns}, which the roster was read from before", columns=", ".join(lost))
        raise ViewRefused(gone, loss=True)
    lines, warnings, unknown = [], _of_types(view.types, types_before), 0
    for rep_id, row in zip(ids, view.rows, strict=True):
        line, problems, wrong = _line(rep_id, row, at)
        new = rep_id not in known
        unknown += line.unknown_at is not None
        warnings += [worded("rep {rep}: {problem}", rep=rep_id, problem=problem) for problem in problems]
        if not (new and wrong):
            lines.append(line)
    if len(warnings) > WARNINGS_MOST:
        warnings = [*warnings[:WARNINGS_MOST], worded("and {more} more", more=len(warnings) - WARNINGS_MOST)]
    return Judged(lines, tuple(warnings), unknown)


def check_loss(judged: Judged, active: Collection[str], most_share: Decimal) -> None:
    """Raises ViewRefused when more than the share of the reps who are active would not be any more."""
    staying = {line.rep_id for line in judged.lines if line.values.get("active", True)}
    lost = sorted(rep_id for rep_id in active if rep_id not in staying)
    if len(lost) > most_share * len(active):
        raise ViewRefused(
            worded(
                "{lost} of {active} active reps would become inactive, more than the share of {share}: {reps}",
                lost=len(lost),
                active=len(active),
                share=most_share,
                reps=worded_list(lost),
            ),
            loss=True,
        )


def only_of_a_type(warning: str) -> bool:
    """Whether a warning of `judge` is about a column's type: values that are not understood have their own."""
    return warning.startswith(_COLUMN)


def _line(rep_id: str, row: Mapping[str, str | None], at: datetime) -> tuple[RepLine, list[Worded], bool]:
    """The rep as far as it is understood, what is not, and whether that is more than the availability."""
    values: dict[str, Any] = {}
    problems: list[Worded] = []
    unknown_at, wrong = None, False
    for field, text in row.items():
        try:
            values[field] = read_field(field, text or "")
        except ValueError as error:
            if field == "available":
                unknown_at = at
                problems.append(worded("{field}: {problem}", field=field, problem=said_by(error)))
            else:
                wrong = True
                problems.append(worded("{field}: {problem}; it stays as it is", field=field, problem=said_by(error)))
    values.pop("rep_id", None)
    return RepLine(rep_id, values, unknown_at=unknown_at), problems, wrong


def _of_types(types: Mapping[str, str], before: Mapping[str, str]) -> list[Worded]:
    found = []
    for field, kind in types.items():
        expected = _EXPECTED.get(field)
        if expected and kind.partition("(")[0] not in expected:
            was = before.get(field, kind)
            values = {"field": field, "kind": kind, "expected": expected[0]}
            if was == kind:
                said = worded("column {field} is of type {kind}, not {expected}; each value is read as text", **values)
            else:
                said = worded(
                    "column {field} is of type {kind}, not {expected}; it was {before}; each value is read as text",
                    before=was,
                    **values,
                )
            found.append(said)
    return found
