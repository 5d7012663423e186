"""A lead comes out of the journal as it went in, or it says that it cannot go in; damage is noticed."""

from datetime import UTC, datetime, timedelta, timezone
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.intake.journal_rows import DamagedRow, LeadNotWritable, moment_of, read_lead, write_lead

ARRIVED = datetime(2026, 11, 28, 12, 0, 0, 123456, UTC)
offsets = st.builds(lambda s: timezone(timedelta(seconds=s)), st.integers(-86_399, 86_399))
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=offsets | st.just(UTC))  # noqa: DTZ001
hostile = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", "\0", "'; drop table lead; --", '"\\u0000', "\U0001f9ff\u202e", "\ud7ff\ue000", "a" * 5000, "\r\n\t", "null"]
)
leads = st.builds(
    LeadIn,
    hostile,
    hostile,
    st.none() | times,
    *[st.none() | hostile] * 11,
    st.integers(-1_000_000, 1_000_000),
    st.none() | hostile,
    st.frozensets(st.sampled_from(["phone", "email"])),
    st.none() | hostile,
)


@given(leads, st.integers(1, 2**31 - 1), times)
def test_nothing_of_a_lead_is_lost_in_the_journal(lead: LeadIn, tenant_id: int, arrived_at: datetime) -> None:
    written = write_lead(tenant_id, lead, arrived_at)
    assert read_lead(tenant_id, written.arrived, written.body, written.checksum) == lead
    assert moment_of(written.arrived) == arrived_at
    assert written[:3] == (tenant_id, *lead[:2])


@given(leads, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(lead: LeadIn, place: int, change: int) -> None:
    written = write_lead(1, lead, ARRIVED)
    body = bytearray(written.body)
    body[place % len(body)] ^= change
    with pytest.raises(DamagedRow, match="damaged"):
        read_lead(1, written.arrived, bytes(body), written.checksum)
    with pytest.raises(DamagedRow, match="damaged"):
        read_lead(2, written.arrived, written.body, written.checksum)


@pytest.mark.parametrize(
    "lead",
    [
        LeadIn("web", "\ud800"),
        LeadIn("web", "1", datetime.min.replace(tzinfo=timezone(timedelta(hours=8)))),
        LeadIn("web", "1", datetime.max.replace(tzinfo=timezone(timedelta(hours=-8)))),
    ],
    ids=["surrogate", "before all time", "after all time"],
)
def test_what_no_database_can_store_is_refused_before_it_is_written(lead: LeadIn) -> None:
    with pytest.raises(LeadNotWritable, match="cannot be stored"):
        write_lead(1, lead, ARRIVED)


def test_what_a_later_release_wrote_is_not_read_by_halves() -> None:
    body = b'{"source":"web","external_id":"1","score":7}'
    arrived = 1
    checksum = crc32(body, crc32(b"%d %d" % (1, arrived)))
    with pytest.raises(DamagedRow, match="not readable by this release"):
        read_lead(1, arrived, body, checksum)
