"""Whether a request that changes something comes from a page of the console itself. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_own(headers: Mapping[str, str]) -> bool:
    """Browsers say so themselves: `Sec-Fetch-Site`, over TLS and on this machine, else `Origin`.

    A request with neither is not from a browser that could be misled, but none that has a session either: refused.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("Origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.casefold() == headers.get("Host", "").casefold() != ""


def local_path(text: str) -> str:
    """A path of the console to go back to; `/` for whatever would lead elsewhere."""
    plain = text.isprintable() and text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if plain and len(text) <= 2_000 else "/"
