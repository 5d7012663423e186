"""What a process knew before its restart: kept for its owner only, believed for a day, never a secret."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from router.domain.access import Token, TokenRole, WrittenToken
from router.http.access import Access
from router.http.known_before import (
    KnownBefore,
    KnownTenant,
    KnownToken,
    Memory,
    known_now,
    read_known,
    remember,
    write_known,
)
from router.http.lead_readers import LeadReaders, ReaderFacts
from router.http.recent import Recent
from router.rules.spelling import Synonym
from router.store.errors import NoConnection
from router.store.tenants import Tenant

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACME = Tenant(7, "acme", "Asia/Shanghai", 1, 3, 0)
FACTS = ReaderFacts("DE", [Synonym("source", "ggl", "google")])
SHOWN = WrittenToken(7, "0123abcd", "s" * 43)


def token(role: TokenRole = TokenRole.INTAKE, **other: Any) -> Token:
    plain = {"expires_at": None, "used_at": None, "revoked_at": None} | other
    return Token(7, SHOWN.token_id, "website", role, None, SHOWN.hash, "test", NOW, **plain)


def kept(one: Token, hours: float = 1) -> KnownBefore:
    moment = NOW - timedelta(hours=hours)
    return KnownBefore([KnownToken(one, moment)], [KnownTenant(ACME, FACTS, moment)])


class Away:
    """Connections of which none is to be had."""

    def acquire(self, *_: object) -> Any:
        raise NoConnection("away")


def memory() -> Memory:
    async def away(_key: object) -> Any:
        raise ConnectionRefusedError("away")

    readers = LeadReaders(cast(Any, Away()))
    return Memory(Access(away), Recent(away, 2.0), Recent(away, 2.0), readers)


def test_the_file_is_for_its_owner_only_and_holds_no_token_that_opens_anything(tmp_path: Path) -> None:
    path = tmp_path / "journal.db.known"
    write_known(path, kept(token()))
    assert path.stat().st_mode & 0o777 == 0o600
    assert SHOWN.secret.encode() not in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]
    assert read_known(path, NOW) == kept(token())


def test_what_is_old_expired_revoked_or_of_a_wrong_clock_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "known"
    expired, revoked = token(expires_at=NOW), token(revoked_at=NOW)
    for one in (kept(token(), 25), kept(token(), -1), kept(expired), kept(revoked)):
        write_known(path, one)
        assert not read_known(path, NOW).tokens


def test_a_file_that_is_damaged_or_of_another_version_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "known"
    assert read_known(path, NOW) == KnownBefore()
    for text in ("", "{", "[]", '{"tokens": [1]}', '{"version": 2}', "\x00" * 10, '{"tokens": "\ud800"}'):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        assert read_known(path, NOW) == KnownBefore(), text
    path.unlink()
    path.mkdir()
    assert read_known(path, NOW) == KnownBefore()


async def test_a_process_that_begins_knows_what_the_one_before_knew() -> None:
    begun = memory()
    remember(begun, kept(token()), NOW)
    found = await begun.access.tokens.get(SHOWN.key)
    assert found is not None
    assert found.holds(NOW)
    assert await begun.tenants.get(7) == ACME
    assert await begun.names.get("acme") == ACME
    lead = (await begun.readers.reader_of(ACME)).read({"external_id": "1", "source": "GGL", "phone": "030 1234567"})
    assert (lead.source, lead.phone) == ("google", "+49301234567")
    again = known_now(begun, NOW)
    assert [one.token for one in again.tokens] == [token()]
    assert [(one.tenant, one.facts) for one in again.tenants] == [(ACME, FACTS)]
    assert abs(again.tokens[0].looked_up_at - (NOW - timedelta(hours=1))) < timedelta(seconds=30)


def test_tokens_that_may_not_hand_in_leads_are_not_kept() -> None:
    begun = memory()
    remember(begun, kept(token(TokenRole.VIEWER)), NOW)
    assert known_now(begun, NOW) == KnownBefore([], [])
