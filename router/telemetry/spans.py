"""Spans of this process: what took how long, and as part of what. Where nothing is traced, each costs one look.

`router.telemetry.tracing` makes them; nothing of OpenTelemetry is read here, so that commands start fast. A span is for
a batch, a request, a piece of periodic work or a statement, never for a lead. Attributes hold names and counts, never
what a lead, a customer or a rep consists of, nor the text of an error, which may repeat it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import NewType, Protocol

Attributes = Mapping[str, str | int | float | bool]
Link = NewType("Link", object)
"""A span to which another one refers, without being a part of it."""

TENANT = "lead_router.tenant"
BATCH = "lead_router.batch"
LEADS = "lead_router.leads"


class Kind(StrEnum):
    """What a span is for others: work inside, a request that came in, a question to another system."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Span(Protocol):
    """A span that goes on."""

    def set(self, attributes: Attributes) -> None:
        """Adds attributes, or replaces those of the same names."""

    def fail(self, error_type: str) -> None:
        """Marks it as failed, by the name of a kind of error. An exception that leaves it does so by itself."""


class Tracer(Protocol):
    """Makes spans."""

    def root(self, name: str, attributes: Attributes, links: Sequence[Link]) -> AbstractContextManager[Span]: ...
    def request(self, name: str, attributes: Attributes, traceparent: str | None) -> AbstractContextManager[Span]: ...
    def inner(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]: ...
    def records(self) -> bool: ...
    def note(self, attributes: Attributes) -> None: ...
    def ids(self) -> tuple[str, str] | None: ...
    def link(self) -> Link | None: ...


class _NotTraced:
    """Stands for every span that is not made."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, attributes: Attributes) -> None:
        return None

    def fail(self, error_type: str) -> None:
        return None


_NOT_TRACED = _NotTraced()
_NOTHING: Attributes = {}
_tracer: Tracer | None = None


def root_span(
    name: str, attributes: Attributes = _NOTHING, links: Sequence[Link | None] = ()
) -> AbstractContextManager[Span]:
    """A span that begins a trace of its own, whatever goes on; `links` are those that it was done for."""
    if _tracer is None:
        return _NOT_TRACED
    return _tracer.root(name, attributes, [link for link in links if link is not None])


def request_span(name: str, attributes: Attributes, traceparent: str | None) -> AbstractContextManager[Span]:
    """The span of a request that came in: a part of its caller's trace, where it named one (W3C `traceparent`)."""
    return _NOT_TRACED if _tracer is None else _tracer.request(name, attributes, traceparent)


def inner_span(
    name: str, attributes: Attributes = _NOTHING, kind: Kind = Kind.INTERNAL
) -> AbstractContextManager[Span]:
    """A part of the span that goes on. Where none is recorded, nothing: it never begins a trace."""
    if _tracer is None or not _tracer.records():
        return _NOT_TRACED
    return _tracer.inner(name, attributes, kind)


def statement_span(name: str) -> AbstractContextManager[Span]:
    """An inner span for a statement that PostgreSQL executes. Neither its text nor its values are recorded."""
    if _tracer is None or not _tracer.records():
        return _NOT_TRACED
    return _tracer.inner(name, {"db.system.name": "postgresql", "db.operation.name": name}, Kind.CLIENT)


def note(attributes: Attributes) -> None:
    """Adds attributes to the span that goes on, if there is one."""
    if _tracer is not None:
        _tracer.note(attributes)


def current_ids() -> tuple[str, str] | None:
    """Trace and span that go on here, in hexadecimal digits (32 and 16); None = no span does."""
    return None if _tracer is None else _tracer.ids()


def current_link() -> Link | None:
    """What another span can refer to: the one that goes on here, where it is recorded."""
    return None if _tracer is None else _tracer.link()


def is_traced() -> bool:
    """Whether spans are made."""
    return _tracer is not None


@contextmanager
def traced_by(tracer: Tracer | None) -> Iterator[None]:
    """Meanwhile this process's spans are made by `tracer`; None = none are."""
    global _tracer  # noqa: PLW0603 - as the logs, the spans of a process are one
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before
