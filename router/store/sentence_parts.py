"""How sentences are made, as it is stored beside them."""

import json
from collections.abc import Sequence

from router.domain.worded import parts_of, restored


def written_parts(sentence: str) -> str | None:
    """JSON for a jsonb column; None where it is not known, or PostgreSQL takes no such text."""
    parts = parts_of(sentence)
    return None if parts is None else _json(parts)


def written_parts_of(sentences: Sequence[str]) -> str | None:
    """The same of several, one after the other."""
    parts = [parts_of(one) for one in sentences]
    return _json(parts) if any(parts) else None


def read_sentence(sentence: str, parts: str | None) -> str:
    """The sentence as it was written, worded where `parts` make it."""
    return sentence if parts is None else restored(sentence, json.loads(parts))


def read_sentences(sentences: Sequence[str], parts: str | None) -> tuple[str, ...]:
    """The same of several."""
    known = None if parts is None else json.loads(parts)
    if not isinstance(known, list) or len(known) != len(sentences):
        return tuple(sentences)
    return tuple(restored(sentence, one) for sentence, one in zip(sentences, known, strict=True))


def _json(parts: object) -> str | None:
    # A jsonb holds no NUL and no half of a surrogate pair.
    written = json.dumps(parts, ensure_ascii=False)
    if "\\u0000" in written:
        return None
    try:
        written.encode()
    except UnicodeEncodeError:
        return None
    return written
