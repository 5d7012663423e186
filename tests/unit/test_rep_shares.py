"""Shares of reps over HTTP: counted over all of a tenant's assignments, so not for every question."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

import pytest

from ops.listing import reps
from ops.listing.reps import Shares
from router.store.statements import Connection

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


async def test_a_client_that_polls_reps_does_not_have_all_assignments_counted_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, counted = [0.0], list[int]()

    async def count(_conn: Connection, tenant_id: int, _since: datetime) -> Mapping[tuple[int, int], int]:
        counted.append(tenant_id)
        return {(1, 1): len(counted)}

    monkeypatch.setattr(reps, "received_by_share", count)
    shares, conn = Shares(lambda: now[0]), cast(Connection, None)
    assert [await shares.of(conn, 7, SINCE) for _ in range(3)] == [{(1, 1): 1}] * 3
    assert await shares.of(conn, 8, SINCE) == {(1, 1): 2}, "of another tenant"
    assert not shares.are_due(7)
    now[0] = 61.0
    assert [await shares.of(conn, 7, SINCE) for _ in range(3)] == [{(1, 1): 1}] * 3, "nobody waits"
    assert [shares.are_due(7) for _ in range(3)] == [True, False, False], "one of them counts"
    await shares.count(conn, 7, SINCE)
    shares.counted(7)
    assert (await shares.of(conn, 7, SINCE), shares.are_due(7)) == ({(1, 1): 3}, False)
    now[0] = 700.0
    assert await shares.of(conn, 7, SINCE) == {(1, 1): 4}, "what is very old is waited for"
    assert counted == [7, 8, 7, 7]
