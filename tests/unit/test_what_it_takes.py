"""What it would take to place a lead, against `decide` in random worlds: what is suggested works, and only that."""

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import click
import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.cli import main
from ops.text.translation import translator
from ops.why.change import Change, Kind, Now, Widening, changed
from ops.why.commands import commands_of, lists_of
from ops.why.description import Placing
from ops.why.placing_text import change_words
from ops.why.what_it_takes import PER_KIND, WhatItTakes, what_it_takes
from ops.why.widen import change_against, going_on, longer_week, longer_window, wider_rules
from router.domain.attendance import Attendance, attendance
from router.domain.availability import leave_text
from router.domain.calendar import WeekHours, parse_week
from router.domain.conditions import NoneOf, OneOf
from router.domain.decide import Assigned, Inputs, decide
from router.domain.engine import Engine
from router.domain.explain_parts import LeftOut
from router.domain.explain_reps import rep_state
from router.domain.lead import Facts
from router.domain.rates import Rates
from router.domain.rep_fields import read_field
from router.domain.roster import Leave, Rep, Roster
from router.domain.ruleset import CalendarSpec, Match, PresenceSpec, Rule, Ruleset
from router.domain.working_hours import format_week
from router.drain.lane_state import aligned_credits, moment_at
from tests.random_worlds import GROUPS, NOW, a_lead, a_world, moment_of

TODAY = date(2026, 3, 2)
HOURS = ("mon-fri 09:00-12:00,13:00-18:00", "mon 10:00-12:00", "never", "tue 09:00-18:00", "always")


def present_states() -> st.SearchStrategy[Now]:
    """A roster, rules and loads as they are now, and one lead that nobody would get, if there is one such."""
    return st.integers(0, 1 << 60).map(lambda seed: a_present_state(Random(seed)))


def a_present_state(rng: Random) -> Now:
    world, inputs = a_world(rng)
    reps = tuple(with_duties(rng, rep) for rep in world.roster.reps)
    rules = tuple(with_window(rng, rule) for rule in world.rules)
    presence = PresenceSpec(groups=("west",)) if rng.random() < 0.3 else None
    hours = rng.choice((None, parse_week(HOURS[0])))
    ruleset = replace(world.ruleset, rules=rules, presence=presence, calendar=CalendarSpec(working_hours=hours))
    engine = Engine(Roster(1, reps, dict(GROUPS)), ruleset, world.rates)
    absent = frozenset(rep.no for rep in reps if presence and 2 in rep.groups and rng.random() < 0.5)
    now = Now(engine, inputs, absent)
    state = np.array([now.attendance_of(rep) for rep in reps], dtype=np.int8)
    leads = [a_lead(rng, engine, number) for number in range(1, 9)]
    inputs = replace(
        inputs,
        moment=moment_at(engine, NOW),
        attendance=state,
        open_counts=np.array([rng.choice((0, 1, 2, 3, 6)) for _ in reps], dtype=np.int64),
        leads=leads[:1],
    )
    inputs = replace(inputs, credits=aligned_credits(engine, inputs.credits), owners=owners(rng, inputs, reps))
    one = [replace(inputs, leads=[lead]) for lead in leads]
    waiting = [i for i in one if not isinstance(decide(engine, i).decisions[0], Assigned)]
    return replace(now, inputs=(waiting or one)[0])


def owners(rng: Random, inputs: Inputs, reps: tuple[Rep, ...]) -> dict[int, int]:
    return {customer: rng.choice([999, *(rep.no for rep in reps)]) for customer in (1, 2, 3) if rng.random() < 0.6}


def with_duties(rng: Random, rep: Rep) -> Rep:
    held = NOW + timedelta(hours=rng.choice((-1, 1)))
    return msgspec.structs.replace(
        rep,
        active=rng.random() < 0.9,
        available=rng.random() < 0.5,
        availability_held_until=held if rng.random() < 0.2 else None,
        working_hours=rng.choice((None, None, *map(parse_week, HOURS))),
        leave=(Leave(TODAY, TODAY), Leave(TODAY + timedelta(days=9), TODAY + timedelta(days=9)))
        if rng.random() < 0.2
        else (),
    )


def with_window(rng: Random, rule: Rule) -> Rule:
    return replace(rule, window=parse_week(rng.choice(HOURS))) if rng.random() < 0.3 else rule


@given(present_states())
@settings(deadline=None, max_examples=400)
def test_every_change_that_is_suggested_really_places_the_lead_with_whom_it_says(now: Now) -> None:
    found = what_it_takes(now)
    places = isinstance(now.decide(), Assigned)
    assert (found.at_once is not None) == places
    assert not (places and found.suggestions)
    for suggestion in found.suggestions:
        assert built_anew(now, suggestion.change) == suggestion.given
    for kind in Kind:
        assert sum(s.change.kind is kind for s in found.suggestions) <= PER_KIND


def built_anew(now: Now, change: Change) -> object:
    """The decision in a world that is made from the start with the change in it."""
    engine, inputs = now.engine, now.inputs
    reps = tuple(change.rep if change.rep and rep.no == change.rep.no else rep for rep in engine.roster.reps)
    rules = tuple(change.rule if change.rule and n == change.rule_no else rule for n, rule in enumerate(engine.rules))
    new = Engine(replace(engine.roster, reps=reps), replace(engine.ruleset, rules=rules), engine.rates)
    absent = now.absent - ({change.rep.no} if change.kind is Kind.PRESENT and change.rep else set())
    if engine.ruleset.presence is not None and change.rep is not None:
        before = engine.roster.reps[engine.roster.position[change.rep.no]]
        # Who comes under the rule of presence has sent no heartbeat.
        newly = 2 in change.rep.groups and (change.kind is Kind.ACTIVE or 2 not in before.groups)
        absent |= {change.rep.no} if newly else set()
    hours = new.ruleset.calendar.working_hours
    state = [attendance(rep, NOW, new.holidays, hours)[0] or away(rep, absent) for rep in reps]
    return decide(
        new,
        replace(
            inputs,
            moment=moment_at(new, NOW),
            attendance=np.array(state, dtype=np.int8),
            credits=aligned_credits(new, inputs.credits),
        ),
    ).decisions[0]


def away(rep: Rep, absent: frozenset[int]) -> Attendance:
    return Attendance.NOT_PRESENT if rep.no in absent else Attendance.ON_DUTY


@given(present_states())
@settings(deadline=None, max_examples=300)
def test_where_nothing_is_suggested_no_single_change_places_the_lead(now: Now) -> None:
    found = what_it_takes(now)
    suggested = {suggestion.change.kind for suggestion in found.suggestions}
    untried = {kind for kind, _ in found.untried}
    if found.at_once is not None:
        return
    for change in every_change(now):
        if change.kind not in suggested | untried:
            assert not isinstance(changed(now, change).decide(), Assigned), change


def every_change(now: Now) -> Iterator[Change]:
    """All changes of one rep or one rule, whether they make sense or not."""
    engine, inputs = now.engine, now.inputs
    for position, rep in enumerate(engine.roster.reps):
        state = rep_state(engine, inputs.attendance, inputs.open_counts, inputs.today_counts, position)
        for why in LeftOut:
            change = change_against(why, rep, state, NOW, engine.ruleset.calendar.working_hours)
            if change is not None:
                yield change
        # The group of a rule for one rep is none that a rep can join.
        for group_no in (no for no, name in GROUPS.items() if not name.startswith("rep:")):
            yield Change(Kind.GROUPS, rep=msgspec.structs.replace(rep, groups=rep.groups | {group_no}))
    for rule_no, rule in enumerate(engine.rules):
        yield from wider_rules(rule_no, rule, now.lead, now.inputs.moment)
        yield going_on(rule_no, rule)
        if rule.window is not None:
            yield longer_window(rule_no, rule, NOW, engine.ruleset.business_time_zone)


weeks = st.sampled_from([parse_week(text) for text in HOURS])


@given(weeks, st.datetimes(NOW.replace(tzinfo=None), NOW.replace(tzinfo=None) + timedelta(days=7)))
def test_longer_hours_hold_at_that_minute_and_keep_what_they_had(week: WeekHours, wall: object) -> None:
    longer, minutes = longer_week(week, wall)  # type: ignore[arg-type]
    minute = wall.hour * 60 + wall.minute  # type: ignore[attr-defined]
    day = wall.weekday()  # type: ignore[attr-defined]
    assert any(start <= minute < end for start, end in longer.days[day])
    assert worked(longer) == worked(week) + minutes and minutes <= 24 * 60
    assert all(any(s <= start and end <= e for s, e in longer.days[n]) for n in range(7) for start, end in week.days[n])


def worked(week: WeekHours) -> int:
    return sum(end - start for day in week.days for start, end in day)


@given(present_states())
@settings(deadline=None, max_examples=150)
def test_the_commands_of_a_change_can_be_typed_and_make_exactly_what_was_tried(now: Now) -> None:
    for suggestion in what_it_takes(now).suggestions:
        change = suggestion.change
        commands = [one for line in commands_of(change, now.engine, "acme") for one in line.split(" && ")]
        if change.rule is not None:
            assert commands[:2] == ["mkdir rules-acme", "cd rules-acme"]
            del commands[:2]
        for command in commands:
            program, *words = shlex.split(command)
            given = parsed(words[: words.index(">")] if ">" in words else words)
            assert program == "lead-router" and given["tenant_name"] == "acme"
            if change.rep is not None:
                assert given["rep_id"] == change.rep.rep_id
                assert change.kind is Kind.PRESENT or value_of(given, change) == wanted(change, now)


def parsed(words: list[str]) -> dict[str, Any]:
    """The arguments as the real command line reads them."""
    command: click.Command = main
    with click.Context(main) as ctx:
        while isinstance(command, click.Group):
            _, found, words = command.resolve_command(ctx, words)
            assert found is not None
            command = found
        return command.make_context(command.name or "", words, parent=ctx).params


def value_of(given: dict[str, Any], change: Change) -> object:
    """What `reps set` would store."""
    return read_field(change.kind.value, given[change.kind.value])


def wanted(change: Change, now: Now) -> object:
    """The same of the rep that was tried."""
    value = getattr(change.rep, change.kind.value)
    if change.kind is Kind.GROUPS:
        names = {now.engine.roster.group_names[group_no] for group_no in value}
        return tuple(sorted(names - {rule.group for rule in now.engine.rules if rule.rep}))
    if change.kind is Kind.LEAVE:
        return leave_text(value)
    return format_week(value) if change.kind is Kind.WORKING_HOURS else value


def test_a_rep_id_that_looks_like_an_option_can_be_typed() -> None:
    rep = Rep(1, "-x; rm", "X", "UTC")
    engine = Engine(Roster(1, (rep,)), Ruleset(1, ()), Rates())
    for kind, value in ((Kind.AVAILABLE, "yes"), (Kind.PRESENT, "")):
        (command,) = commands_of(Change(kind, value, rep=rep), engine, "acme")
        assert parsed(shlex.split(command)[1:])["rep_id"] == "-x; rm"


def test_a_change_that_undoes_what_a_person_decided_says_when_it_is_right() -> None:
    rep = Rep(1, "r1", "Ann", "UTC")
    placing = Placing(WhatItTakes(), Engine(Roster(1, (rep,)), Ruleset(1, ()), Rates()), 0)
    for language, kind, words in (
        ("en", Kind.ACTIVE, "becomes active (only if they work here again)"),
        ("en", Kind.LEAVE, "is back from leave (only if they are really back)"),
        ("zh", Kind.ACTIVE, "重新启用（仅当其又在这里工作）"),
        ("zh", Kind.LEAVE, "结束休假（仅当其确实已经回来）"),
    ):
        assert words in change_words(Change(kind, rep=rep), placing, translator(language))


def test_a_condition_whose_values_are_in_a_list_names_the_list_and_how_to_change_it() -> None:
    listed = Rule("here", Match(one_of=(OneOf("region", frozenset({"x"}), in_file=("cities.txt",)),)), group="east")
    engine = Engine(Roster(1, (), dict(GROUPS)), Ruleset(1, (listed,)), Rates())
    lead = a_lead(Random(1), engine, 1)._replace(facts=Facts(region="Y"))
    (change,) = wider_rules(0, listed, lead, moment_of(engine))
    assert (change.value, change.widening, lists_of(change)) == ("y", Widening.ADD, ("cities.txt",))
    assert (
        "lead-router rules show --tenant acme --list=cities.txt > cities.txt" in commands_of(change, engine, "acme")[0]
    )


def test_the_steps_to_change_a_rule_write_all_lists_and_overwrite_nothing(tmp_path: Path) -> None:
    listed, other = (
        Rule(name, Match(one_of=(OneOf("region", frozenset({"x"}), in_file=(file,)),)), group="east")
        for name, file in (("here", "cities.txt"), ("there", "more towns/all.txt"))
    )
    engine = Engine(Roster(1, (), dict(GROUPS)), Ruleset(1, (listed, other)), Rates())
    change = Change(Kind.ON_NO_CANDIDATE, "next", rule_no=0, rule=listed)
    before, _ = commands_of(change, engine, "acme")
    for name in ("rules.yaml", "cities.txt"):
        (tmp_path / name).write_text("mine")
    script = f'lead-router() {{ echo "$@"; }}\n{before}\n'.replace("lead-router", "lead_router")
    for code in (0, 1):
        assert subprocess.run(["sh", "-c", script], cwd=tmp_path, check=False).returncode == code
    files = {str(one.relative_to(tmp_path)): one.read_text() for one in tmp_path.rglob("*") if one.is_file()}
    assert files == {
        "rules.yaml": "mine",
        "cities.txt": "mine",
        "rules-acme/rules.yaml": "rules show --tenant acme\n",
        "rules-acme/cities.txt": "rules show --tenant acme --list=cities.txt\n",
        "rules-acme/more towns/all.txt": "rules show --tenant acme --list=more towns/all.txt\n",
    }


def test_the_world_of_these_properties_has_leads_that_wait_for_each_kind_of_change() -> None:
    met: set[Kind] = set()
    for seed in range(3000):
        met |= {s.change.kind for s in what_it_takes(a_present_state(Random(seed))).suggestions}
    assert met == set(Kind)


def test_what_a_condition_has_to_let_through_is_removed_as_it_was_written() -> None:
    synonyms = (("region", "peking", "beijing"), ("region", "shang hai", "shanghai"))
    for said, left, widening, value in (
        ({"peking", "shang hai"}, {"shang hai", "shanghai"}, Widening.EXCEPT_NOT, "peking"),
        ({"peking", "beijing", "x"}, {"x"}, Widening.EXCEPT_NOT, "beijing, peking"),
        ({"peking"}, None, Widening.DROP, "beijing"),
        ({"peking", "beijing"}, None, Widening.DROP, "beijing"),
    ):
        words = {word for _, one, word in synonyms if one in said}
        asked = NoneOf("region", frozenset(said | words), said=frozenset(said))
        rule = Rule("here", Match(others=(asked,)), group="east")
        engine = Engine(Roster(1, (), dict(GROUPS)), Ruleset(1, (rule,), synonyms=synonyms), Rates())
        lead = a_lead(Random(1), engine, 1)._replace(facts=Facts(region="Beijing"))
        (change,) = wider_rules(0, rule, lead, moment_of(engine), synonyms)
        assert (change.widening, change.value) == (widening, value)
        assert change.rule is not None
        others = change.rule.match.others
        assert others == () if left is None else [one.values for one in others if isinstance(one, NoneOf)] == [left]
