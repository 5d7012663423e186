"""Handing in many leads at once: JSON lines or a JSON array, streamed, each lead judged alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from router.domain.access import Permission
from router.http.body import body_pieces
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused, busy, pointer_to, sendable
from router.http.reading import check_media_type
from router.http.routes.lead_documents import (
    BatchAnswer,
    BatchRefused,
    LeadBody,
    LineAnswer,
    LineDifference,
    LineError,
)
from router.intake.batch_intake import BatchCounts, BatchIntake
from router.intake.batch_lines import MAX_LINES, BatchLines, JsonArray, JsonLines, StopKind
from router.intake.json_lead import JsonLeadReader
from router.intake.lead_intake import NotDurable

MAX_BODY = 100_000_000
_JSON = "application/json"
_LINES = ("application/x-ndjson", "application/jsonl", "application/ndjson", "application/json-lines")
_READ_AT_ONCE = 256 * 1024
_NOTHING = "no lead was taken"


class BatchQuery(msgspec.Struct, frozen=True):
    """How a batch is answered."""

    verbose: Annotated[bool, Meta(description="Name all leads that are stored, not only what is wrong.")] = False


async def hand_in_batch(call: Call) -> Answer:
    """Answers once every lead that is counted as stored is committed."""
    media_type = check_media_type(call.request, _JSON, *_LINES)
    reader = await call.leads.readers.reader_of(call.tenant)
    lines = _lines(media_type, reader)
    batch = BatchIntake(call.leads.intake, call.tenant.tenant_id, keep_all=call.query.verbose)
    try:
        await _read_all(call, lines, batch)
        await batch.finish()
    except NotDurable as error:
        raise _ended_early(busy(str(error)), batch.counts) from None
    except Refused as refused:
        # What is under way is waited for, so that the counts are true.
        with suppress(NotDurable):
            await batch.settle()
        raise _ended_early(refused, batch.counts) from None
    return _answer(batch.counts)


def _lines(media_type: str, reader: JsonLeadReader) -> BatchLines:
    return JsonArray(reader) if media_type == _JSON else JsonLines(reader)


async def _read_all(call: Call, lines: BatchLines, batch: BatchIntake) -> None:
    """Reads in a thread: other requests are not to wait for it. Raises Refused and NotDurable."""
    async for piece in _gathered(body_pieces(call.request, MAX_BODY)):
        await batch.add(await asyncio.to_thread(lines.feed, piece))
        if lines.stop is not None:
            break
    await batch.add(lines.finish())
    if lines.stop is not None:
        kind = Kind.TOO_LARGE if lines.stop.kind is StopKind.TOO_MANY else Kind.BAD_REQUEST
        raise Refused(kind, lines.stop.reason)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """In larger pieces: each costs a switch of threads."""
    parts: list[bytes] = []
    size = 0
    async for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size >= _READ_AT_ONCE:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _ended_early(refused: Refused, counts: BatchCounts) -> Refused:
    """Says what is stored although the batch was not read to its end."""
    if not counts.lines:
        return refused
    stored = f"{counts.stored:,} leads were stored before" if counts.stored else "nothing was stored"
    detail = (
        f"{refused.detail}; {stored}. Send the batch again when that is put right: what is stored is not stored twice"
    )
    return Refused(refused.kind, detail, headers=refused.headers, members=_members(counts))


def _answer(counts: BatchCounts) -> Answer:
    if not counts.stored:
        detail = (
            f"{_NOTHING}: all {counts.lines:,} are refused"
            if counts.lines
            else f"{_NOTHING}: there is none in the body"
        )
        raise Refused(Kind.INVALID, detail, members=_members(counts))
    return Answer(_document(counts), 207 if counts.refused else 202)


def _members(counts: BatchCounts) -> Mapping[str, Any]:
    document: Mapping[str, Any] = msgspec.to_builtins(_document(counts))
    return document


def _document(counts: BatchCounts) -> BatchAnswer:
    return BatchAnswer(
        counts.lines,
        counts.stored,
        counts.duplicates,
        counts.differing,
        counts.merged,
        counts.parked,
        counts.refused,
        [LineError(line, sendable(pointer_to(*error.path)), sendable(error.reason)) for line, error in counts.errors],
        [
            LineDifference(lead.line, taken.lead_id, *lead[1:], list(taken.differing))
            for lead, taken in counts.differences
        ],
        [LineAnswer(lead.line, taken.lead_id, *lead[1:], taken.state, taken.duplicate) for lead, taken in counts.taken],
    )


POST_LEADS = Operation(
    id="hand_in_leads",
    method="POST",
    path="/v1/leads:batch",
    summary="Hand in many leads",
    description=(
        f"A JSON array or JSON lines, at most {MAX_LINES:,} leads and {MAX_BODY:,} bytes, gzip allowed. Each lead is "
        "judged alone: 202 = all are stored, 207 = some were refused, 422 = none was taken. Sending a batch again does "
        "no harm."
    ),
    handler=hand_in_batch,
    answers={202: BatchAnswer, 207: BatchAnswer, 422: BatchRefused},
    permission=Permission.HAND_IN,
    tag="leads",
    query=BatchQuery,
    media={
        _JSON: {"type": "array", "items": {"$ref": "#/components/schemas/LeadBody"}, "maxItems": MAX_LINES},
        **dict.fromkeys(_LINES[:2], LeadBody),
    },
    request_headers={"Content-Encoding": "gzip, or none."},
    max_body=MAX_BODY,
)
