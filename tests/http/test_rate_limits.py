"""Whoever asks too often is told when to come again, on all instances together; everybody else is served."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.http.problems import Refused
from router.http.rate_limits import WINDOW_S, Key, RateLimits
from router.http.rate_sharing import RateSharingService
from router.store.connections.connections import Connections
from tests.http.support import make_token, serving_api
from tests.world import make_tenant, simple_reps

KEY: Key = (1, "a")


async def test_whoever_asks_too_often_is_told_when_to_come_again(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    async with serving_api(connections, requests_per_s=0.3) as api:
        loud, calm = await make_token(conn, tenant.tenant_id), await make_token(conn, tenant.tenant_id)
        # A window may end in between: then three more are free.
        replies = [await api.get("/v1/token", token=loud) for _ in range(7)]
        (refused, *_) = [one for one in replies if one.status == 429]
        assert 1 <= int(refused.headers["Retry-After"]) <= WINDOW_S
        assert refused.headers["RateLimit-Policy"] == f'"token";q=3;w={WINDOW_S}'
        assert refused.headers["RateLimit"] == f'"token";r=0;t={refused.headers["Retry-After"]}'
        assert (await api.get("/v1/token", token=calm)).status == 200


def allowed(limits: RateLimits, key: Key, times: int) -> int:
    """How many of so many requests go through."""
    through = 0
    for _ in range(times):
        try:
            limits.take(key)
        except Refused:
            continue
        through += 1
    return through


@given(per_s=st.integers(1, 20), asked=st.lists(st.integers(0, 400), max_size=6))
def test_a_window_lets_its_quota_through_and_no_more(per_s: int, asked: list[int]) -> None:
    now = [0.0]
    limits = RateLimits(per_s, lambda: now[0])
    for times in asked:
        assert allowed(limits, KEY, times) == min(times, per_s * WINDOW_S)
        assert allowed(limits, (2, "a"), 1) == 1
        now[0] += WINDOW_S


def test_without_a_limit_everything_goes_through() -> None:
    assert allowed(RateLimits(None), KEY, 5_000) == 5_000


async def test_two_instances_share_one_limit(redis_url: str) -> None:
    limits = [RateLimits(10, lambda: 5.0) for _ in range(2)]
    services = [RateSharingService(one, redis_url) for one in limits]
    for service in services:
        await service.begin()
    through = 0
    for _ in range(20):
        for one, service in zip(limits, services, strict=True):
            through += allowed(one, KEY, 10)
            await service.once(None)  # type: ignore[arg-type]
    for service in services:
        await service.end()
    # Both may have let through what the other did not know of yet: one round.
    assert 100 <= through <= 110


async def test_without_redis_each_instance_limits_by_itself() -> None:
    limits = RateLimits(1, lambda: 5.0)
    service = RateSharingService(limits, "redis://127.0.0.1:1")
    await service.begin()
    assert allowed(limits, KEY, 20) == WINDOW_S
    with pytest.raises(ConnectionError):
        await service.once(None)  # type: ignore[arg-type]
    await service.end()
