"""Structured logs on stderr: one JSON object a line, or for people on a terminal; never a password.

Written per batch and per event of the service, never per lead, and by a thread of its own (`log_writer`). What
libraries log through `logging`, such as asyncio's "exception was never retrieved", comes out in the same form.
"""

import logging
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from router.telemetry.log_repeats import FewRepeats
from router.telemetry.log_writer import writer_of
from router.telemetry.logs import bound_values
from router.telemetry.masking import MASK, mask_contacts, mask_passwords, mask_rows
from router.telemetry.spans import current_ids

_ABANDONED_CONNECT = "unexpected connection_lost() call"
_PLAIN = (bool, int, float, type(None))
_SECRETS = ("password", "secret", "authorization", "phone", "mobile", "email")


def configure_logs(level: str, form: str, instance: str, stream: TextIO | None = None) -> None:
    """Sets up this process's logs, on `stream` or stderr; may be called again. `form` is auto, json or console.

    `router.telemetry.logs.bound` adds what a task is at work on, `router.telemetry.spans` the span that goes on.
    """
    target = stream or sys.stderr
    terminal = target is not None and target.isatty()
    as_json = form == "json" or (form == "auto" and not terminal)
    shared = _shared_processors(instance)
    handler = logging.StreamHandler(stream or writer_of(_descriptor(target)))
    handler.addFilter(_matters)
    handler.addFilter(FewRepeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(as_json, colors=terminal),
            ],
        )
    )
    lowest = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=lowest, force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _matters(record: logging.LogRecord) -> bool:
    """False for what asyncpg 0.32 leaves behind when a connect is given up just as the wire stands: the caller was told
    of its timeout, and the answer that its question about TLS gets from the closed wire is waited for by nobody.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (record.name == "asyncio" and isinstance(error, ConnectionError) and str(error) == _ABANDONED_CONNECT)


def _shared_processors(instance: str) -> list[Processor]:
    def add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**bound_values(), **event, **_ids(), "instance": instance}

    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_context,
    ]


def _ids() -> dict[str, str]:
    """The span that goes on, by which a log line is found from its trace, and its trace from the line."""
    ids = current_ids()
    return {} if ids is None else {"trace_id": ids[0], "span_id": ids[1]}


def _descriptor(target: TextIO | None) -> int | None:
    """None where stderr was closed before the start, or is not a file."""
    try:
        return None if target is None else target.fileno()
    except (OSError, ValueError):
        return None


def _rendering(as_json: bool, *, colors: bool) -> list[Processor]:
    if as_json:
        renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        # The plain formatter: the rich one shows local variables, and with them whatever a URL hides.
        renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return [structlog.processors.format_exc_info, mask_event, renderer]


def mask_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that takes passwords, e-mail addresses and phone numbers out of an event, however deep."""
    return {key: MASK if _is_secret(key) else _masked(value) for key, value in event.items()}


def _is_secret(key: str) -> bool:
    lowered = key.lower()
    return any(word in lowered for word in _SECRETS)


def _masked(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {_masked_text(str(k)): MASK if _is_secret(str(k)) else _masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return _masked_text(str(value))


def _masked_text(text: str) -> str:
    return mask_contacts(mask_rows(mask_passwords(text)))
