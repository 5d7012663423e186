"""The client of Redis: gives up soon, and asks for nothing that a managed Redis may forbid."""

from typing import TYPE_CHECKING

from router.telemetry.masking import mask_passwords

if TYPE_CHECKING:
    from redis.asyncio import Redis

DEADLINE_S = 1.0
"""The longest wait for anything that Redis is asked, seconds."""


def open_redis(url: str) -> "Redis":
    """A client that gives up soon and does not try again by itself."""
    # Slow to read, and needed only where rules ask for presence, or for hints and limits over all instances.
    from redis.asyncio import Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=DEADLINE_S,
        socket_connect_timeout=DEADLINE_S,
        # The older protocol needs no HELLO, which some forbid; a name of the library costs a round trip.
        protocol=2,
        driver_info=None,
    )


def described(error: BaseException) -> str:
    """An error of Redis in words, without passwords."""
    return mask_passwords(f"{type(error).__name__}: {error}".rstrip(": "))


def hints_channel(redis: "Redis") -> str:
    """Channels know nothing of the database's number, by which the keys of two installations are apart."""
    return f"lead-router:hints:{redis.connection_pool.connection_kwargs.get('db') or 0}"
