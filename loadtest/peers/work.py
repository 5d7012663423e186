"""What a peer's worker is given, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping

Lead = tuple[int, int]
"""Its tenant and its number."""
Setting = Mapping[str, int]
"""What is tried out, by name: `processes` for all, and what the peer itself can be told."""
Work = Callable[[], Awaitable[None]]
"""Routes until nothing is left."""
