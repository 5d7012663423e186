"""What a run came to, for people: where all leads are, and each rep's share beside what was deserved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

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


def totals(accepted: int, states: Mapping[str, int]) -> str:
    """One sentence: how many leads there are, and in which state each of them is."""
    parts = ", ".join(f"{leads:,} {state}" for state, leads in states.items() if leads)
    if sum(states.values()) == accepted:
        return f"{accepted:,} leads accepted = {parts or 'none'}."
    return f"{accepted:,} leads accepted, but in states: {parts or 'none'}. Run lead-router audit."


def shares_table(groups: Iterable[GroupShares]) -> Table:
    """Per group, the reps that are furthest from what their weight deserves."""
    table = Table(
        title="Shares: received beside deserved, the furthest off of each group",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
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


def print_summary(console: Console, accepted: int, states: Mapping[str, int], shares: Iterable[Share]) -> None:
    """Where all leads are, the shares, and the largest distance from one."""
    groups = [group for group in by_group(shares) if group.received]
    console.print(totals(accepted, states), style="bold")
    console.print(shares_table(groups))
    worst = max((group.worst for group in groups), default=0.0)
    console.print(f"Nobody is further than {worst:.2f} leads from the share that weight, hours and caps deserve.")
