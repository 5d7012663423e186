"""Files between their check and their import: a few, for a while, in this process alone."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from router.domain.access import Token
from router.http.upload import Upload

KEPT_FOR_S = 1_800.0
MAX_FILES = 10
MAX_BYTES = 500_000_000
"""Of all of them together: the oldest one has to go."""
_MAX_OF_TOKEN = 5


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

    def keep(self, upload: Upload, tenant_id: int, token: Token) -> KeptUpload:
        """Holds the upload for a while."""
        owner = (token.tenant_id, token.token_id)
        upload.hold()
        one = KeptUpload(secrets.token_urlsafe(16), upload, tenant_id, owner, self._clock() + KEPT_FOR_S)
        self._kept[one.key] = one
        self._forget(owner)
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

    def drop(self, one: KeptUpload) -> None:
        """It is not needed any more."""
        if self._kept.pop(one.key, None) is not None:
            one.upload.release()

    def close(self) -> None:
        """Drops all."""
        for one in list(self._kept.values()):
            self.drop(one)

    def _forget(self, owner: tuple[int, str] | None = None) -> None:
        now = self._clock()
        for one in [one for one in self._kept.values() if one.until <= now]:
            self.drop(one)
        own = [one for one in self._kept.values() if one.owner == owner]
        for one in own[:-_MAX_OF_TOKEN]:
            self.drop(one)
        while len(self._kept) > MAX_FILES or sum(one.upload.size for one in self._kept.values()) > MAX_BYTES:
            self.drop(next(iter(self._kept.values())))
