"""What a run came to, for people: leads by state, why they wait, each rep's share beside the deserved one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

BAR = 20
ONE_LEAD = 1 << 32
REPS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Share:
    """One rep in one group. `received` is in leads; `credit` = deserved minus received, in 2^-32 leads."""

    group: str
    rep_id: str
    weight_milli: int
    received: int
    credit: int

    @property
    def deserved(self) -> float:
        """Leads that the rep's weight was worth, whenever the rep was a candidate."""
        return self.received + self.credit / ONE_LEAD

    @property
    def deviation(self) -> float:
        """Leads that the rep got above (+) or below (-) what was deserved."""
        return -self.credit / ONE_LEAD


@dataclass(frozen=True, slots=True)
class GroupShares:
    """The shares of a group. `shown` are the reps furthest from their share, the furthest first."""

    group: str
    reps: int
    received: int
    shown: tuple[Share, ...]

    @property
    def worst(self) -> float:
        """The largest distance from a share in the group, in leads."""
        return max((abs(share.deviation) for share in self.shown), default=0.0)


def by_group(shares: Iterable[Share], shown: int = REPS_SHOWN) -> list[GroupShares]:
    """Groups in the order of what they received, each with the reps that are furthest from their share."""
    ordered = sorted(shares, key=lambda share: share.group)
    groups = [_group(name, list(members), shown) for name, members in groupby(ordered, lambda s: s.group)]
    return sorted(groups, key=lambda group: (-group.received, group.group))


def _group(name: str, members: list[Share], shown: int) -> GroupShares:
    furthest = sorted(members, key=lambda share: (-abs(share.deviation), share.rep_id))
    return GroupShares(name, len(members), sum(share.received for share in members), tuple(furthest[:shown]))


def bar(part: float, whole: float, width: int = BAR) -> str:
    """A bar of `width` cells for part of whole; something is visible as soon as there is something."""
    if whole <= 0 or part <= 0:
        return ""
    eighths = max(1, round(8 * width * min(part, whole) / whole))
    full, rest = divmod(eighths, 8)
    return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def states_table(accepted: int, states: Mapping[str, int], waiting: Mapping[str, int]) -> Table:
    """Every lead that was accepted, by state, and those that wait by reason."""
    table = _table("Every lead is somewhere")
    table.add_column("state")
    table.add_column("leads", justify="right")
    table.add_column("", min_width=BAR)
    for state, leads in states.items():
        if leads or state in ("assigned", "waiting"):
            table.add_row(state, f"{leads:,}", bar(leads, accepted))
        if state == "waiting":
            for reason, n in sorted(waiting.items(), key=lambda item: (-item[1], item[0])):
                table.add_row(f"  {reason}", f"{n:,}", bar(n, accepted), style="dim")
    table.add_section()
    total = sum(states.values())
    table.add_row("sum", f"{total:,}", "= accepted" if total == accepted else f"accepted: {accepted:,} (!)")
    return table


def shares_table(groups: Iterable[GroupShares]) -> Table:
    """Per group, the reps that are furthest from what their weight deserves."""
    table = _table("Shares: received beside deserved, the furthest off of each group")
    for heading in ("group", "reps", "leads"):
        table.add_column(heading, justify="left" if heading == "group" else "right")
    for heading in ("rep", "weight", "received", "deserved", "off by"):
        table.add_column(heading, justify="left" if heading == "rep" else "right")
    for group in groups:
        for n, share in enumerate(group.shown):
            whose = (group.group, f"{group.reps}", f"{group.received:,}") if n == 0 else ("", "", "")
            table.add_row(
                *whose,
                share.rep_id[:8],
                f"{share.weight_milli / 1000:g}",
                f"{share.received:,}",
                f"{share.deserved:,.2f}",
                f"{share.deviation:+.2f}",
            )
    return table


def print_summary(
    console: Console,
    accepted: int,
    states: Mapping[str, int],
    waiting: Mapping[str, int],
    shares: Iterable[Share],
) -> None:
    """The two tables, and the largest distance from a share."""
    groups = by_group(shares)
    console.print(states_table(accepted, states, waiting))
    console.print(shares_table(group for group in groups if group.received))
    worst = max((group.worst for group in groups), default=0.0)
    console.print(f"Nobody is further than {worst:.2f} leads from the share that weight, hours and caps deserve.")
