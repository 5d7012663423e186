"""How long to wait before trying again: exponential backoff with full jitter."""

FIRST_S = 0.2
LONGEST_S = 60.0


def full_jitter(failures: int, random: float, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> float:
    """Seconds after the given number of failures in a row (from 1); `random` is in [0, 1).

    Source: M. Brooker, "Exponential Backoff And Jitter", 2015: the wait is uniform between nothing and a limit
    that doubles with each failure.
    """
    if failures < 1:
        raise ValueError("there is nothing to wait for before the first failure")
    return random * min(longest_s, first_s * 2.0 ** min(failures - 1, 60))
