"""Files between their check and their import: a few of each tenant, for a while, in this process alone."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

from router.domain.access import Token
from router.http.upload import Upload

KEPT_FOR_S = 1_800.0
MAX_FILES = 40
MAX_BYTES = 500_000_000
"""Of all tenants together: the oldest file of the tenant that has the most has to go."""
MAX_FILES_OF_TENANT = 10
MAX_BYTES_OF_TENANT = 200_000_000
MAX_FILES_OF_TOKEN = 5
_DROPPED_KEPT = 200


class Dropped(Enum):
    """Why a file made room before its time."""

    OF_TOKEN = "of token"
    OF_TENANT = "of tenant"
    OF_ALL = "of all"


@dataclass(slots=True)
class KeptUpload:
    """A file that was checked, of whose login, for which tenant; `fields` are what it was last checked with, by which
    job. `until` is on the monotonic clock.
    """

    key: str
    upload: Upload
    tenant_id: int
    owner: tuple[int, str]
    until: float
    fields: Mapping[str, str] = field(default_factory=dict)
    job_id: str = ""


class Uploads:
    """One per process. What is kept is gone when its time is over, when there is too much, or the process ends."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, KeptUpload] = {}
        self._dropped: dict[str, Dropped] = {}

    def keep(self, upload: Upload, tenant_id: int, token: Token) -> KeptUpload:
        """Holds the upload for a while."""
        owner = (token.tenant_id, token.token_id)
        upload.hold()
        one = KeptUpload(secrets.token_urlsafe(16), upload, tenant_id, owner, self._clock() + KEPT_FOR_S)
        self._kept[one.key] = one
        self._make_room(one)
        # Also when nobody comes to look.
        asyncio.get_running_loop().call_later(KEPT_FOR_S + 1, self._forget)
        return one

    def find(self, key: str, tenant_id: int, token: Token) -> KeptUpload | None:
        """None for one that is not kept any more, and for that of another tenant or token."""
        self._forget()
        one = self._kept.get(key)
        if one is None or (one.tenant_id, one.owner) != (tenant_id, (token.tenant_id, token.token_id)):
            return None
        return one

    def dropped(self, key: str) -> Dropped | None:
        """Why this one had to go before its time; None for one that did not, or that is not remembered."""
        return self._dropped.get(key)

    def drop(self, one: KeptUpload) -> None:
        """It is not needed any more."""
        if self._kept.pop(one.key, None) is not None:
            one.upload.release()

    def close(self) -> None:
        """Drops all."""
        for one in list(self._kept.values()):
            self.drop(one)

    def _forget(self) -> None:
        now = self._clock()
        for one in [one for one in self._kept.values() if one.until <= now]:
            self.drop(one)

    def _make_room(self, newest: KeptUpload) -> None:
        """No file takes the place of those of others: a token makes room among its own, then the tenant among
        its own, and only then the tenant that has the most of all.
        """
        self._forget()
        own = [one for one in self._kept.values() if one.owner == newest.owner]
        for one in own[:-MAX_FILES_OF_TOKEN]:
            self._give_way(one, Dropped.OF_TOKEN)
        while _exceed(of := self._of(newest.tenant_id), MAX_FILES_OF_TENANT, MAX_BYTES_OF_TENANT):
            self._give_way(_oldest_of_largest(of, newest, lambda one: one.owner), Dropped.OF_TENANT)
        while _exceed(everything := list(self._kept.values()), MAX_FILES, MAX_BYTES):
            self._give_way(_oldest_of_largest(everything, newest, lambda one: one.tenant_id), Dropped.OF_ALL)

    def _of(self, tenant_id: int) -> list[KeptUpload]:
        return [one for one in self._kept.values() if one.tenant_id == tenant_id]

    def _give_way(self, one: KeptUpload, why: Dropped) -> None:
        self.drop(one)
        self._dropped[one.key] = why
        while len(self._dropped) > _DROPPED_KEPT:
            del self._dropped[next(iter(self._dropped))]


def _exceed(files: list[KeptUpload], max_files: int, max_bytes: int) -> bool:
    """Too many, or too large; a single one never is."""
    return len(files) > 1 and (len(files) > max_files or sum(one.upload.size for one in files) > max_bytes)


def _oldest_of_largest(
    files: list[KeptUpload], newest: KeptUpload, whose: Callable[[KeptUpload], object]
) -> KeptUpload:
    """Of the owner of the most bytes, then of the most files, the file that was kept first; never the newest."""
    sizes, numbers = Counter[object](), Counter[object]()
    for one in files:
        sizes[whose(one)] += one.upload.size
        numbers[whose(one)] += 1
    older = [one for one in files if one is not newest]
    return max(older, key=lambda one: (sizes[whose(one)], numbers[whose(one)]))
