"""What a failure costs afterwards: what others caused is over when it is over, a tenant's own trouble is left alone."""

import asyncpg
import pytest

from router.drain.scheduler import longest_wait_s
from router.store.backoff import LONGEST_S

OF_SERVER = [
    ConnectionRefusedError(),
    TimeoutError(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.AdminShutdownError(),
    asyncpg.CrashShutdownError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.IdleInTransactionSessionTimeoutError(),
]
OF_LOCKS = [
    asyncpg.LockNotAvailableError(),
    asyncpg.QueryCanceledError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.SerializationError(),
]
OF_TENANT = [asyncpg.CheckViolationError(), asyncpg.UndefinedTableError(), ValueError("a rule of a later release")]


@pytest.mark.parametrize("error", OF_SERVER, ids=lambda error: type(error).__name__)
def test_after_trouble_of_the_whole_server_no_tenant_waits_long(error: Exception) -> None:
    assert longest_wait_s(error) <= 1


@pytest.mark.parametrize("error", OF_LOCKS, ids=lambda error: type(error).__name__)
def test_after_a_long_lock_leads_wait_seconds_and_not_a_minute(error: Exception) -> None:
    assert 1 < longest_wait_s(error) <= 5


@pytest.mark.parametrize("error", OF_TENANT, ids=lambda error: type(error).__name__)
def test_after_trouble_of_one_tenant_the_server_is_spared(error: Exception) -> None:
    assert longest_wait_s(error) == LONGEST_S
