"""What is measured of the notifier. `docs/metrics.md` lists the same names."""

from enum import StrEnum

from opentelemetry.metrics import Meter


class NotifyResult(StrEnum):
    """What became of an attempt to send a message. `throttled`: the other side asked for rest; it is tried again."""

    SENT = "sent"
    FAILED = "failed"
    THROTTLED = "throttled"


class NotifyInstruments:
    """Records on a meter, under `namespace`."""

    def __init__(self, meter: Meter, namespace: str) -> None:
        self._attempts = meter.create_counter(
            f"{namespace}.notify.attempts", "{attempt}", "Attempts to send a message, by result"
        )
        self._waiting = meter.create_gauge(
            f"{namespace}.notify.waiting", "{message}", "Messages that wait to be sent, by channel"
        )
        self._failing = meter.create_gauge(
            f"{namespace}.notify.failing", "{channel}", "1 = the channel's last attempt failed"
        )

    def attempt(self, kind: str, result: NotifyResult) -> None:
        """Once per attempt; `kind` is the kind of channel."""
        for one in NotifyResult:
            self._attempts.add(int(one is result), {"kind": kind, "result": one.value})

    def queue(self, channel: str, waiting: int, *, failing: bool) -> None:
        """Once per look and channel: how many messages wait, and whether the last attempt failed."""
        self._waiting.set(waiting, {"channel": channel})
        self._failing.set(int(failing), {"channel": channel})
