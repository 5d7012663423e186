"""A form with a file: received piece by piece into a file without a name, of which nothing outlives the process."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from router.domain.worded import worded
from router.domain.worded_phrases import placed
from router.http.body import Arrival, check_length, too_large
from router.http.problems import FieldProblem, Kind, Refused

MULTIPART = "multipart/form-data"
MAX_NAME = 200
_MAX_FIELDS = 30
_HEADS = 20_000
"""Bytes that the heads of the parts may have beside what they hold."""
_BROKEN = (ValueError, LookupError, RuntimeError, AssertionError, web.RequestPayloadError, HttpProcessingError)
_PLAIN = frozenset(("", "binary", "8bit", "7bit"))


@dataclass(slots=True)
class Upload:
    """A file as it was sent. `name` is what its sender calls it, without folders; `path` leads to it in this process,
    as long as somebody holds it.
    """

    name: str
    file: IO[bytes] = field(repr=False)
    path: Path
    size: int = 0
    _holders: int = 1

    def hold(self) -> None:
        """One more needs it. Once nobody had it the number of its file may be that of another one: RuntimeError."""
        if self._holders == 0:
            raise RuntimeError("this file is gone")
        self._holders += 1

    def release(self) -> None:
        """One less does; without any it is gone."""
        self._holders -= 1
        if self._holders == 0:
            self.file.close()


@dataclass(slots=True)
class SentForm:
    """What a form had. Release the `upload`."""

    fields: dict[str, str] = field(default_factory=dict)
    upload: Upload | None = None


async def read_form_with_file(
    request: web.Request,
    limits: Mapping[str, int],
    max_file: int,
    before_file: Callable[[Mapping[str, str]], None] = lambda _fields: None,
) -> SentForm:
    """Reads `multipart/form-data`: fields with the bytes that each may have, and one file named `file`.

    `before_file` may raise when the fields that came before the file are not enough. Raises Refused: no form, broken,
    too large, too slow, a field that is not known, or given twice.
    """
    if request.content_type != MULTIPART:
        raise Refused(
            Kind.WRONG_MEDIA_TYPE, worded("send {wanted}, not {given}", wanted=MULTIPART, given=request.content_type)
        )
    check_length(request, max_file + sum(limits.values()) + _HEADS)
    form = SentForm()
    try:
        await _read_parts(request, form, limits, max_file, before_file)
    except BaseException:
        if form.upload is not None:
            form.upload.release()
        raise
    return form


async def _read_parts(
    request: web.Request,
    form: SentForm,
    limits: Mapping[str, int],
    max_file: int,
    before_file: Callable[[Mapping[str, str]], None],
) -> None:
    try:
        reader, arrival = await request.multipart(), Arrival("form")
        for _ in range(_MAX_FIELDS):
            part = await arrival.wait(reader.next())
            if part is None:
                return
            if not isinstance(part, BodyPartReader):
                raise Refused(Kind.BAD_REQUEST, worded("the form has a form within it"))
            await _read_part(part, arrival, form, limits, max_file, before_file)
    except _BROKEN as error:
        raise Refused(Kind.BAD_REQUEST, worded("the form cannot be read: {why}", why=str(error)[:200])) from None
    raise Refused(Kind.BAD_REQUEST, worded("the form has more than {limit} fields", limit=_MAX_FIELDS))


async def _read_part(
    part: BodyPartReader,
    arrival: Arrival,
    form: SentForm,
    limits: Mapping[str, int],
    max_file: int,
    before_file: Callable[[Mapping[str, str]], None],
) -> None:
    name = part.name or ""
    if part.headers.get("Content-Transfer-Encoding", "").strip().lower() not in _PLAIN:
        raise Refused(
            Kind.BAD_REQUEST, worded("parts of the form must be sent as they are, without a transfer encoding")
        )
    if name == "file":
        if form.upload is not None:
            raise _wrong("file", worded("is given twice"))
        if part.filename is None:
            raise _wrong("file", worded("is not a file: send one, with its name"))
        before_file(form.fields)
        if not part.filename:
            # What a browser sends where no file was chosen.
            await _text(part, arrival, name, 0)
            return
        form.upload = _nameless(plain_name(part.filename))
        await _receive(part, arrival, form.upload, max_file)
        return
    if name not in limits:
        raise _wrong(name, worded("is not known here; known are {names}", names=", ".join(limits)))
    if name in form.fields:
        raise _wrong(name, worded("is given twice"))
    form.fields[name] = await _text(part, arrival, name, limits[name])


async def _receive(part: BodyPartReader, arrival: Arrival, upload: Upload, max_file: int) -> None:
    while not part.at_eof():
        piece = await arrival.wait(part.read_chunk(256 * 1024))
        arrival.count(len(piece))
        upload.size += len(piece)
        if upload.size > max_file:
            raise too_large(max_file)
        try:
            upload.file.write(piece)
        except OSError as error:
            raise _no_room(error) from error
    upload.file.flush()


async def _text(part: BodyPartReader, arrival: Arrival, name: str, limit: int) -> str:
    body = bytearray()
    while not part.at_eof():
        piece = await arrival.wait(part.read_chunk())
        arrival.count(len(piece))
        body += piece
        if len(body) > limit:
            raise _wrong(name, worded("has more than {limit:,} bytes", limit=limit))
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _wrong(name, worded("is not UTF-8")) from None
    if "\0" in text:
        raise _wrong(name, worded("holds a NUL character"))
    return text


def plain_name(text: str) -> str:
    """A name that a sender gives to a file, without folders and without what is not shown."""
    last = text.replace("\\", "/").rpartition("/")[2]
    shown = "".join(one for one in last if one.isprintable()).strip()
    if len(shown) > MAX_NAME:
        stem, dot, ending = shown.rpartition(".")
        shown = f"{(stem or ending)[: MAX_NAME - 20]}{dot}{ending[:15]}" if stem else shown[:MAX_NAME]
    return shown.encode("utf-8", "replace").decode() or "file"


def _nameless(name: str) -> Upload:
    """A new, empty file. Where the system does not show open files by number it has a name until it is closed."""
    try:
        if Path("/proc/self/fd").is_dir():
            file: IO[bytes] = tempfile.TemporaryFile(prefix="lead-router-")  # noqa: SIM115 (closed by its last holder)
            return Upload(name, file, Path(f"/proc/self/fd/{file.fileno()}"))
        named = tempfile.NamedTemporaryFile(prefix="lead-router-")  # noqa: SIM115 (the same)
    except OSError as error:
        raise _no_room(error) from error
    return Upload(name, named, Path(named.name))


def _no_room(error: OSError) -> Refused:
    return Refused(
        Kind.BUSY,
        worded(
            "the file cannot be kept while it is read: {why}; the folder for temporary files needs room",
            why=error.strerror,
        ),
    )


def _wrong(name: str, reason: str) -> Refused:
    return Refused(Kind.INVALID, placed(name, reason), [FieldProblem(f"/{name}", reason)])
