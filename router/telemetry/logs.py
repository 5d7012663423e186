"""The logs of this process: nothing is set up, and structlog is not read, before something is logged.

Most commands log nothing, and reading structlog takes as long as everything else that they read.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_bound: ContextVar[Mapping[str, object]] = ContextVar("bound to log lines")
_NOTHING: Mapping[str, object] = {}
_set_up: Callable[[], None] | None = None
_setting_up = threading.RLock()  # one thread sets the logs up, and the others' first lines wait for it


class Logger:
    """The logger of a module, with the methods of structlog's: `log.info("synced", tenant=name)`."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def debugging(self) -> bool:
        """Whether `debug` writes anything: asked before a line that would cost more than the rest of a small batch."""
        return logging.getLogger().isEnabledFor(logging.DEBUG)

    def __getattr__(self, method: str) -> Any:
        import structlog  # noqa: PLC0415

        _now()
        return getattr(structlog.get_logger(self._name), method)


def get_logger(name: str) -> Logger:
    """As `structlog.get_logger`."""
    return Logger(name)


@contextmanager
def bound(**values: object) -> Iterator[None]:
    """Meanwhile these are in every log line of this task, as `tenant`; those that `bind` adds meanwhile, too."""
    token = _bound.set({**bound_values(), **values})
    try:
        yield
    finally:
        _bound.reset(token)


def bind(**values: object) -> None:
    """Adds to what is bound, until the end of the `bound` around it: what is known only later, as `batch`."""
    _bound.set({**bound_values(), **values})


def bound_values() -> Mapping[str, object]:
    """What is bound now."""
    return _bound.get(_NOTHING)


def configure_logs_later(level: str, form: str, instance: str) -> None:
    """As `log_format.configure_logs`, once something is logged, by us or by a library."""
    global _set_up  # noqa: PLW0603 - the logs of a process are one

    def set_up() -> None:
        from router.telemetry.log_format import configure_logs  # noqa: PLC0415

        configure_logs(level, form, instance)

    _set_up = set_up
    logging.basicConfig(handlers=[_First()], level=logging.getLevelNamesMapping()[level.upper()], force=True)


def forget_set_up() -> None:
    """Logs are as at the start of a process: nothing is to be set up any more (for tests)."""
    global _set_up  # noqa: PLW0603 - the logs of a process are one
    with _setting_up:
        _set_up = None
        _remove_first()


class _First(logging.Handler):
    """Sets the logs up with the first record, which is then written as all others."""

    def emit(self, record: logging.LogRecord) -> None:
        _now()
        logging.getLogger().handle(record)


def _now() -> None:
    global _set_up
    with _setting_up:
        set_up, _set_up = _set_up, None
        if set_up is not None:
            set_up()
        _remove_first()  # with it still there, a record would come back to it for ever


def _remove_first() -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _First)]:
        root.removeHandler(handler)
