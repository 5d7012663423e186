"""Leads as the journal writes them: JSON with the names of LeadIn's fields, and a checksum. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, get_type_hints
from zlib import crc32

import msgspec

from router.domain.lead_in import LeadIn

_START = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_DEFAULTS: dict[str, Any] = LeadIn._field_defaults
_HINTS = get_type_hints(LeadIn)


def _field(name: str) -> tuple[str, Any] | tuple[str, Any, Any]:
    return (name, _HINTS[name], _DEFAULTS[name]) if name in _DEFAULTS else (name, _HINTS[name])


# What a later release writes and this one does not know must not be dropped in silence.
_Body = msgspec.defstruct(
    "_Body", [_field(name) for name in LeadIn._fields], omit_defaults=True, forbid_unknown_fields=True, frozen=True
)
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Body)


class LeadNotWritable(ValueError):
    """A lead holds what no text or time of a database can: the message says what."""


class DamagedRow(ValueError):
    """What is written is not what was written, or a later release wrote it; the message says which."""


class WrittenLead(NamedTuple):
    """A lead, ready to be written: `arrived` in microseconds since 1970 UTC."""

    tenant_id: int
    source: str
    external_id: str
    arrived: int
    body: bytes
    checksum: int


def write_lead(tenant_id: int, lead: LeadIn, arrived_at: datetime) -> WrittenLead:
    """The lead as it is written; its time of creation as an instant in UTC. Raises LeadNotWritable."""
    arrived = (arrived_at - _START) // _TICK
    try:
        created_at = lead.created_at.astimezone(UTC) if lead.created_at else None
        body = _encoder.encode(_Body(*lead._replace(created_at=created_at)))
    except (UnicodeEncodeError, OverflowError) as error:
        raise LeadNotWritable(f"the lead {lead.external_id!r} of {lead.source!r} cannot be stored: {error}") from error
    return WrittenLead(tenant_id, lead.source, lead.external_id, arrived, body, _checksum(tenant_id, arrived, body))


def read_lead(tenant_id: int, arrived: int, body: bytes, checksum: int) -> LeadIn:
    """The lead as it was handed in. Raises DamagedRow."""
    if _checksum(tenant_id, arrived, body) != checksum:
        raise DamagedRow("damaged: what is written here is not what was written")
    try:
        found = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise DamagedRow(f"not readable by this release: {error}") from error
    return LeadIn(*(getattr(found, name) for name in LeadIn._fields))


def moment_of(arrived: int) -> datetime:
    """Microseconds since 1970 as an instant in UTC."""
    return _START + arrived * _TICK


def _checksum(tenant_id: int, arrived: int, body: bytes) -> int:
    return crc32(body, crc32(b"%d %d" % (tenant_id, arrived)))
