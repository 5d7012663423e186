"""What people must hear of a fault, what they may hear besides, and that it ends: judged by what the sink was sent."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from loadtest.observe.sink import WATCHDOG, Notice
from loadtest.observe.watching import Watching
from ops.alerting.links import DASHBOARDS, EXAMPLES, OVERVIEW
from tests.alert_files import PAGES
from tests.support import until

ARRIVES_S = 60.0
"""From the injection to the person, with the shortened times."""
ENDS_S = 90.0


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert that must come: to whom, of which tenant ("" = of none), and what its text must have."""

    name: str
    receiver: str
    tenant: str = ""
    names: str = ""

    def is_in(self, notice: Notice) -> bool:
        """Whether this is it."""
        return (notice.name, notice.receiver, notice.tenant) == (self.name, self.receiver, self.tenant)

    def reads(self, alert: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether a person who follows it reads the cause in Alertmanager."""
        labels = alert["labels"]
        this = (labels["alertname"], labels.get("tenant", "")) == (self.name, self.tenant)
        return this and self.names in alert["annotations"]["description"]


@dataclass(frozen=True, slots=True)
class Heard:
    """One fault, from its injection (when this is made) until nothing fires any more.

    `right` must arrive, `later` once something else is mended, and `companions` are names of alerts that may, each with
    the reason; everything else is unrelated.
    """

    watching: Watching
    right: Sequence[Expected]
    later: Sequence[Expected]
    companions: Mapping[str, str]
    begin: float = field(default_factory=monotonic)

    async def arrives(self) -> None:
        """All that is right is sent within ARRIVES_S of the injection, with where to read on; nothing unrelated is."""
        await self._arrive(self.right, ARRIVES_S - (monotonic() - self.begin))

    async def follows(self) -> None:
        """The same of what comes later, from now on."""
        await self._arrive(self.later, ARRIVES_S)

    async def _arrive(self, wanted: Sequence[Expected], within_s: float) -> None:
        async def there() -> bool:
            sent = [notice for notice in self._sent() if not notice.resolved]
            if not all(any(map(one.is_in, sent)) for one in wanted):
                return False
            # As the text is now: the rules are 15 times as fast, the doctor whom it cites is not.
            active = await self.watching.alertmanager.active()
            return all(any(map(one.reads, active)) for one in wanted)

        await self._until(there, f"{wanted} arrive", within_s)
        for notice in self._sent():
            has_links(notice)
        self._nothing_unrelated()

    async def ends(self) -> None:
        """All that was sent is sent as resolved, and no rule fires that did not fire before."""

        async def over() -> bool:
            return await quiet(self.watching)

        await self._until(over, "everything resolves", ENDS_S)
        self._nothing_unrelated()

    def _sent(self) -> list[Notice]:
        return self.watching.sink.since(self.begin)

    def _nothing_unrelated(self) -> None:
        allowed = {(one.name, one.tenant) for one in (*self.right, *self.later)}
        others = [one for one in self._sent() if (one.name, one.tenant) not in allowed]
        unrelated = [one for one in others if one.name not in self.companions]
        assert not unrelated, f"unrelated to the fault: {self._told(unrelated)}"

    async def _until(self, true: Callable[[], Awaitable[bool]], what: str, deadline_s: float) -> None:
        try:
            await until(true, what, deadline_s, every_s=0.2)
        except AssertionError as error:
            firing = await self.watching.prometheus.firing()
            raise AssertionError(f"{error}\nsent: {self._told(self._sent())}\nfiring: {firing}") from None

    def _told(self, notices: Sequence[Notice]) -> str:
        lines = (
            f"{one.at - self.begin:.1f} s: {one.name} {one.tenant} to {one.receiver}"
            f"{' resolved' if one.resolved else ''}: {one.text}"
            for one in notices
        )
        return "\n".join(lines)


async def quiet(watching: Watching) -> bool:
    """Nothing but the watchdog fires in Prometheus or Alertmanager, inhibited or not; all that was sent is resolved."""
    last = {frozenset(notice.labels.items()): notice for notice in watching.sink.since(0.0)}
    if not all(notice.resolved for notice in last.values()):
        return False
    active = {alert["labels"]["alertname"] for alert in await watching.alertmanager.active()}
    return set(await watching.prometheus.firing()) == {WATCHDOG} == active


def has_links(notice: Notice) -> None:
    """To the page of the alert, which exists, and to the dashboard on which its tenant is chosen."""
    assert notice.annotations["runbook_url"] == f"{EXAMPLES.runbooks}/alerts/{notice.name}.md"
    assert (PAGES / f"{notice.name}.md").is_file()
    board = f"{EXAMPLES.dashboards}/d/{DASHBOARDS.get(notice.name, OVERVIEW)}"
    chosen = f"?var-tenant={notice.tenant.replace('(', '%28').replace(')', '%29')}" if notice.tenant else ""
    assert notice.annotations["dashboard_url"] == f"{board}{chosen}"
