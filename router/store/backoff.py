"""How long to wait before trying again: exponential backoff with full jitter, as tenacity has it."""

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

FIRST_S = 0.2
LONGEST_S = 60.0

_NO_RETRYING = AsyncRetrying()


def wait_s(failures: int, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> float:
    """Seconds after the given number of failures in a row (from 1): uniform between nothing and a limit that doubles
    with each failure.

    Source: M. Brooker, "Exponential Backoff And Jitter", 2015.
    """
    if failures < 1:
        raise ValueError("there is nothing to wait for before the first failure")
    state = RetryCallState(_NO_RETRYING, None, (), {})
    state.attempt_number = failures
    return float(wait_random_exponential(multiplier=first_s, max=longest_s)(state))
