"""Who can get leads at all: reps whose groups no rule names, and groups that a change of the roster leaves alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from router.domain.phrases import listed, suggestion
from router.domain.roster_change import RepRecord
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_list

_NAMED = 5


@dataclass(frozen=True, slots=True)
class UnnamedGroup:
    """A group that no rule names, with the active reps that are in no group that a rule names."""

    group: str
    reps: tuple[str, ...]
    meant: str | None
    """The group of a rule that may have been meant."""

    @property
    def words(self) -> Worded:
        said = worded_count(
            'no rule names group "{group}", so no rule assigns to {count:,} active rep ({reps})',
            'no rule names group "{group}", so no rule assigns to {count:,} active reps ({reps})',
            len(self.reps),
            group=self.group,
            reps=worded_list(self.reps, _NAMED),
        )
        return said + worded('; did you mean "{meant}"?', meant=self.meant) if self.meant else said


def unnamed_groups(ruleset: Ruleset, reps: Iterable[tuple[str, Iterable[str]]]) -> list[UnnamedGroup]:
    """Of active reps, as their ids and the names of their groups. Nothing where rules assign to owners only."""
    named = {fold(rule.group): rule.group for rule in ruleset.rules if rule.group is not None and rule.rep is None}
    by_id = {rule.rep for rule in ruleset.rules}
    if not named:
        return []
    found: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for rep_id, groups in reps:
        by_fold = {fold(group): group for group in groups}
        if rep_id not in by_id and named.keys().isdisjoint(by_fold):
            for key, group in by_fold.items():
                found.setdefault(key, []).append(rep_id)
                spelled.setdefault(key, group)
    return [
        UnnamedGroup(spelled[key], tuple(in_it), suggestion(key, named.values()))
        for key, in_it in sorted(found.items())
    ]


@dataclass(frozen=True, slots=True)
class LostCoverage:
    """What a change of the roster leaves without an available rep. `everybody` = one was available, and none is now.

    `emptied` are those of `groups` that have no active rep at all any more.
    """

    groups: tuple[str, ...] = ()
    everybody: bool = False
    emptied: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For a warning; empty where nothing is lost."""
        if self.everybody:
            return "no rep of the tenant is available after this change"
        away = [name for name in self.groups if name not in self.emptied]
        parts = [f"no rep in {_groups(away)} is available now"] if away else []
        if self.emptied:
            parts.append(f"no active rep is in {_groups(self.emptied)} any more")
        return "; ".join(parts)


def lost_coverage(before: Iterable[RepRecord], after: Iterable[RepRecord]) -> LostCoverage:
    """Compares two rosters; a group without an available rep counts where it had one, or is new."""
    were, are = _available_by_group(before), _available_by_group(after)
    groups = [name for name in {**were, **are} if name and not are.get(name) and (were.get(name) or name not in were)]
    emptied = tuple(sorted(set(groups) - are.keys()))
    return LostCoverage(tuple(sorted(groups)), any(were.values()) and not any(are.values()), emptied)


def groups_with_commas(reps: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Groups whose name has a comma, which parts no names, with the ids of their reps."""
    found: dict[str, list[str]] = {}
    for rep_id, groups in reps:
        for group in groups:
            if "," in group or "，" in group:
                found.setdefault(group, []).append(rep_id)
    return found


def _groups(names: Sequence[str]) -> str:
    return f"{'group' if len(names) == 1 else 'groups'} {listed(names, _NAMED)}"


def _available_by_group(reps: Iterable[RepRecord]) -> Mapping[str, int]:
    """How many active and available reps each group has, those without one counted as of the group ''."""
    counts: dict[str, int] = {}
    for rep in reps:
        if rep.values["active"]:
            groups: Sequence[str] = rep.values["groups"] or ("",)
            for group in groups:
                counts[group] = counts.get(group, 0) + bool(rep.values["available"])
    return counts
