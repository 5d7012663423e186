"""What becomes of exported telemetry: the log says when it begins not to arrive, and when it arrives again."""

from collections.abc import Callable

from router.telemetry.logs import get_logger

log = get_logger(__name__)


class Delivery:
    """Of one signal (`traces` or `metrics`). `why` returns what the last attempt failed of, without any value that
    was sent or configured.
    """

    def __init__(self, signal: str, why: Callable[[], str | None]) -> None:
        self._signal = signal
        self._why = why
        self._failed = 0

    def seen(self, *, arrived: bool) -> bool:
        """Once per request to the receiver; returns `arrived`."""
        if arrived and self._failed:
            log.info("telemetry is delivered again", signal=self._signal, failed_requests=self._failed)
        elif not arrived and not self._failed:
            log.warning("telemetry is not delivered", signal=self._signal, problem=self._why() or "not known")
        self._failed = 0 if arrived else self._failed + 1
        return arrived
