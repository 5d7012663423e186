"""Scripts, styles and pictures: read once, served with a hash of themselves in their address."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from ops.console.headers import SECURITY

FOLDER = Path(__file__).parent / "assets"
_KEEP = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `hash` changes when it does."""

    body: bytes
    kind: str
    hash: str


@cache
def assets() -> Mapping[str, Asset]:
    """By name."""
    return {file.name: _read(file) for file in sorted(FOLDER.iterdir())}


def _read(file: Path) -> Asset:
    body = file.read_bytes()
    return Asset(body, mimetypes.guess_type(file.name)[0] or "text/plain", sha256(body).hexdigest()[:16])


def address(name: str) -> str:
    """Where a page finds it."""
    return f"/assets/{assets()[name].hash}/{name}"


async def serve(request: web.Request) -> web.Response:
    """One asset; with another hash, of an older or newer version, it is not kept by the browser."""
    found = assets().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    kept = _KEEP if request.match_info["hash"] == found.hash else {"Cache-Control": "no-cache"}
    charset = None if found.kind.startswith("image/") and "svg" not in found.kind else "utf-8"
    return web.Response(body=found.body, content_type=found.kind, charset=charset, headers={**SECURITY, **kept})
