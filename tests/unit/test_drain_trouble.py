"""What a failure costs afterwards: trouble of the server is over when it is over, that of one tenant is left alone."""

import asyncpg
import pytest

from router.drain_service import _of_server

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
]
OF_TENANT = [
    asyncpg.LockNotAvailableError(),
    asyncpg.QueryCanceledError(),
    asyncpg.CheckViolationError(),
    asyncpg.DeadlockDetectedError(),
]


@pytest.mark.parametrize("error", OF_SERVER, ids=lambda error: type(error).__name__)
def test_after_trouble_of_the_whole_server_no_tenant_waits_long(error: Exception) -> None:
    assert _of_server(error)


@pytest.mark.parametrize("error", OF_TENANT, ids=lambda error: type(error).__name__)
def test_after_trouble_of_one_tenant_the_server_is_spared(error: Exception) -> None:
    assert not _of_server(error)
