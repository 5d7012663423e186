"""What each error of the database calls for: the one table that retries, parking and messages rest on."""

import asyncpg
import pytest

from router.store.errors import TRANSIENT_ERRORS, NoConnection, Trouble, trouble_of

LOCK, GONE, SERVER, ROW, DENIED, PERSON = (
    Trouble.LOCK_CONFLICT,
    Trouble.UNREACHABLE,
    Trouble.SERVER,
    Trouble.REFUSED_ROW,
    Trouble.DENIED,
    Trouble.FOR_A_PERSON,
)
TABLE: list[tuple[BaseException, Trouble]] = [
    (asyncpg.LockNotAvailableError(), LOCK),
    (asyncpg.QueryCanceledError(), LOCK),
    (asyncpg.DeadlockDetectedError(), LOCK),
    (asyncpg.SerializationError(), LOCK),
    (asyncpg.ObjectInUseError(), LOCK),
    (asyncpg.TooManyConnectionsError(), GONE),
    (asyncpg.CannotConnectNowError(), GONE),
    (asyncpg.ConnectionDoesNotExistError(), GONE),
    (asyncpg.ConnectionFailureError(), GONE),
    (asyncpg.AdminShutdownError(), GONE),
    (asyncpg.CrashShutdownError(), GONE),
    (asyncpg.InterfaceError("connection is closed"), GONE),
    (asyncpg.InternalClientError("protocol"), GONE),
    (ConnectionRefusedError(), GONE),
    (TimeoutError(), GONE),
    (NoConnection("none became free"), GONE),
    (asyncpg.ProtocolViolationError("query_wait_timeout"), GONE),
    (asyncpg.ProtocolViolationError("unsupported startup parameter: options"), DENIED),
    (asyncpg.ProtocolViolationError("no such database: leads"), DENIED),
    (asyncpg.DiskFullError(), SERVER),
    (asyncpg.OutOfMemoryError(), SERVER),
    (asyncpg.PostgresIOError(), SERVER),
    (asyncpg.ReadOnlySQLTransactionError(), SERVER),
    (asyncpg.IdleInTransactionSessionTimeoutError(), SERVER),
    (asyncpg.NumericValueOutOfRangeError(), ROW),
    (asyncpg.CharacterNotInRepertoireError(), ROW),
    (asyncpg.UniqueViolationError(), ROW),
    (asyncpg.CheckViolationError(), ROW),
    (asyncpg.ProgramLimitExceededError(), ROW),
    (asyncpg.RaiseError(), ROW),
    (asyncpg.InvalidPasswordError(), DENIED),
    (asyncpg.InvalidCatalogNameError(), DENIED),
    (asyncpg.InsufficientPrivilegeError(), DENIED),
    (asyncpg.UndefinedTableError(), PERSON),
    (asyncpg.FeatureNotSupportedError(), PERSON),
    (asyncpg.PostgresSyntaxError(), PERSON),
    (ValueError("a rule of a later release"), PERSON),
]


@pytest.mark.parametrize(("error", "trouble"), TABLE, ids=lambda one: type(one).__name__)
def test_an_error_is_retried_parked_or_reported_as_it_calls_for(error: BaseException, trouble: Trouble) -> None:
    assert trouble_of(error) is trouble


def test_every_error_of_the_database_leaves_a_service_running_and_no_fault_of_ours_does() -> None:
    assert all(isinstance(error, TRANSIENT_ERRORS) for error, _ in TABLE[:-1])
    assert not isinstance(TABLE[-1][0], TRANSIENT_ERRORS)
