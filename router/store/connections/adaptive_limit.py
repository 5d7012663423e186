"""How many connections may be open now: what is configured, what is fair, and what the server really gives."""

from dataclasses import dataclass

from router.store.backoff import wait_s

_FIRST_WAIT_S = 0.1
# With nothing open nobody is served, so the server is asked often; else the others go on meanwhile.
_LONGEST_WAIT_S = 1.0
_LONGEST_WAIT_WITH_SOME_S = 5.0
_SHORTEST_WAIT_S = 0.02


@dataclass(slots=True)
class AdaptiveLimit:
    """`maximum` is configured; `fair` this process's part of what the server has (None = there is enough for all);
    `granted` what the server gave when it last refused one (None = it refused none since).

    A refusal lowers the limit to what is open, each connection that opens raises it by one: a server that has little
    is not overrun, and one that has room again is used within seconds.
    """

    maximum: int
    fair: int | None = None
    granted: int | None = None
    failures: int = 0

    @property
    def limit(self) -> int:
        """Connections that may be open; 0 while the server gives none and it is not time to ask again."""
        wanted = self.maximum if self.fair is None else max(1, min(self.maximum, self.fair))
        return wanted if self.granted is None else min(wanted, self.granted)

    @property
    def recovering(self) -> bool:
        """The server refused one not long ago: open one after the other."""
        return self.granted is not None

    def failed(self, now_open: int) -> float:
        """One could not be opened beside `now_open` others; returns after how many seconds to try again."""
        self.granted = now_open
        self.failures += 1
        longest_s = _LONGEST_WAIT_WITH_SOME_S if now_open else _LONGEST_WAIT_S
        return max(_SHORTEST_WAIT_S, wait_s(self.failures, first_s=_FIRST_WAIT_S, longest_s=longest_s))

    def try_again(self, now_open: int) -> None:
        """It is time to ask for one more."""
        if self.granted is not None:
            self.granted = now_open + 1

    def opened(self, now_open: int) -> None:
        """One was opened; with it there are `now_open`."""
        self.failures = 0
        if self.granted is not None:
            self.granted = now_open + 1 if now_open < self.maximum else None
