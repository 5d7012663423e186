"""Sources of leads over HTTP: forms and webhooks, by the functions of `lead-router sources`."""

from datetime import timedelta
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, Seconds, wrong
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.api.tokens import WhyQuery
from ops.documents.source_preview import preview_document, scene_of
from ops.documents.sources import check_secrets, counts_document, new_secret, path_of, source_document
from router.domain.access import Permission
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem
from router.intake.webhook_signature import MAX_SECRET, BadSecret, check_secret
from router.rules.source_file import SourceFile, WebhookDoor, parse_source
from router.store import sources as store
from router.store.apart import apart, takes_long

_PATH = "/v1/sources"
_DAY_S = 86_400
_NO_STORE = {"Cache-Control": "no-store"}
_Note = Annotated[str, Meta(max_length=1000)]
_File = Annotated[str, Meta(min_length=1, max_length=500_000, description="YAML: the mapping, and form: or webhook:")]
_Name = Annotated[str, Meta(min_length=1, max_length=store.MAX_NAME, pattern=r"\S", examples=["website"])]
_Secret = Annotated[
    Annotated[str, Meta(max_length=MAX_SECRET)] | None, Meta(description="The sender's; null = a new one")
]


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source, and what came through it."""

    source: str
    kind: str
    taken: int
    refused: int
    trapped: int
    last_at: Moment | None
    created_by: str
    created_at: Moment
    changed_at: Moment


class SourceList(msgspec.Struct, frozen=True):
    """All of the tenant's, by name."""

    sources: list[SourceRow]


class SourceAddress(msgspec.Struct, frozen=True):
    """An address of a source; `until` null = without end."""

    path: str
    until: Moment | None


class SourceSecret(msgspec.Struct, frozen=True):
    """When a secret was made, and until when it holds (null = without end)."""

    created_at: Moment
    until: Moment | None


class SourceReject(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was refused; the body is not kept."""

    at: Moment
    status: int
    reason: str
    sent_id: str
    body_hash: str
    bytes: int


class SourceShown(SourceRow, frozen=True, kw_only=True):
    """A source with its addresses, its file, and what it refused recently. Secrets are not shown."""

    paths: list[SourceAddress]
    secrets: list[SourceSecret]
    file: str
    rejects: list[SourceReject]


class SourceWanted(msgspec.Struct, frozen=True):
    """A source to be added."""

    name: _Name
    file: _File
    secret: _Secret = None


class SourceFileWanted(msgspec.Struct, frozen=True):
    """Another file for a source."""

    file: _File
    why: _Note = ""


class SourceTest(msgspec.Struct, frozen=True):
    """A file of a source, and a request for it. The signature is checked with the secrets of `source`."""

    file: _File
    body: Annotated[str, Meta(max_length=1_000_000)]
    content_type: Annotated[str, Meta(max_length=200, description="Default: JSON for a webhook, else urlencoded")] = ""
    headers: Annotated[dict[str, str], Meta(max_length=100)] = {}
    source: Annotated[str, Meta(max_length=store.MAX_NAME)] = "test"


class SourceTested(msgspec.Struct, frozen=True):
    """What the source would make of the request. `signature` null = a form has none."""

    signature: str | None
    trapped: bool
    redirect: str | None
    leads: list[Json]
    rejects: list[FieldProblem]


class SourceRotation(msgspec.Struct, frozen=True):
    """What is replaced: of a form its key, of a webhook its secret, or also its key."""

    old_holds_s: Annotated[Seconds, Meta(description="So long the old one holds")] = _DAY_S
    key: Annotated[bool, Meta(description="The key in the address, also of a webhook")] = False
    secret: _Secret = None


class SourceOpened(msgspec.Struct, frozen=True):
    """The address (null = as before), and a secret that was made, which is shown this once."""

    source: str
    kind: str
    path: str | None
    secret: str | None


def operations() -> list[Operation]:
    """Of sources."""
    look, change = Permission.OPERATE, Permission.ADMINISTER
    one = f"{_PATH}/{{source}}"
    made = partial(Operation, tag="sources")
    return [
        made(
            id="list_sources",
            method="GET",
            path=_PATH,
            summary="Forms and webhooks through which leads come, and how many came",
            handler=_list,
            answers={200: SourceList},
            permission=look,
        ),
        made(
            id="add_source",
            method="POST",
            path=_PATH,
            summary="Add a form or a webhook through which leads come",
            handler=_add,
            answers={201: SourceOpened},
            permission=change,
            body=SourceWanted,
        ),
        made(
            id="test_source",
            method="POST",
            path=f"{_PATH}:test",
            summary="Show what a source would make of a body, and store nothing",
            handler=_test,
            answers={200: SourceTested},
            permission=look,
            body=SourceTest,
            max_body=2_000_000,
        ),
        made(
            id="get_source",
            method="GET",
            path=one,
            summary="A source: its addresses, its file, and what it refused recently",
            handler=_get,
            answers={200: SourceShown},
            permission=look,
        ),
        made(
            id="set_source",
            method="PUT",
            path=one,
            summary="Give a source another file; its address and secrets stay",
            handler=_set,
            answers={200: SourceShown},
            permission=change,
            body=SourceFileWanted,
        ),
        made(
            id="rotate_source",
            method="POST",
            path=f"{one}/rotate",
            summary="Replace the key or the secret of a source; the old one holds for a while",
            handler=_rotate,
            answers={200: SourceOpened},
            permission=change,
            body=SourceRotation,
        ),
        made(
            id="remove_source",
            method="DELETE",
            path=one,
            summary="Remove a source with its keys and secrets; its leads stay",
            handler=_remove,
            answers={204: None},
            permission=change,
            query=WhyQuery,
        ),
    ]


async def _list(call: Call) -> Answer:
    async with call.connection() as conn:
        found = await store.all_sources(conn, call.tenant.tenant_id)
    return Answer(SourceList([msgspec.convert(counts_document(one), SourceRow) for one in found]))


async def _get(call: Call) -> Answer:
    return await _shown(call, call.path["source"])


async def _shown(call: Call, name: str) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            document = await source_document(conn, await store.source_named(conn, call.tenant.tenant_id, name))
    document["rejects"] = seen_by(call, document["rejects"])
    return Answer(msgspec.convert(document, SourceShown))


async def _add(call: Call) -> Answer:
    wanted: SourceWanted = call.body
    name = wanted.name.strip()
    if not name.isprintable():
        raise wrong("/name", "has characters that cannot be printed")
    with refusals(call):
        source = await _parsed(wanted.file)
        secret = _secret_for(source, wanted.secret)
        async with call.connection() as conn:
            new = store.NewSource(name, source.kind, wanted.file, secret)
            key = await store.add_source(conn, call.tenant.tenant_id, new, call.actor)
    shown = None if wanted.secret else secret
    return Answer(SourceOpened(name, source.kind, path_of(source.kind, key), shown), 201, _NO_STORE)


async def _parsed(text: str) -> SourceFile:
    """Raises InvalidFile, Refused."""
    if "\0" in text:
        raise wrong("/file", "holds a NUL character")
    return await apart(takes_long(text), parse_source, text, "file")


async def _test(call: Call) -> Answer:
    body: SourceTest = call.body
    headers = {name.strip().lower(): value.strip() for name, value in body.headers.items()}
    content_type = body.content_type or headers.get("content-type", "")
    with refusals(call):
        source = await _parsed(body.file)
        async with call.connection() as conn:
            scene = await scene_of(conn, call.tenant, body.source)
    sent = body.body.encode(errors="surrogatepass")
    document = preview_document(source, body.source, scene, content_type, headers, sent)
    return Answer(msgspec.convert(seen_by(call, document), SourceTested))


def _secret_for(source: SourceFile, given: str | None) -> str | None:
    """None for a form. Raises Refused."""
    if not isinstance(source.door, WebhookDoor):
        if given is not None:
            raise wrong("/secret", "a form has no secret")
        return None
    if given is None:
        return new_secret(source.door.scheme)
    try:
        check_secret(source.door.scheme, given)
    except BadSecret as error:
        raise wrong("/secret", str(error)) from None
    return given


async def _set(call: Call) -> Answer:
    name, tenant_id, body = call.path["source"], call.tenant.tenant_id, call.body
    with refusals(call):
        source = await _parsed(body.file)
        async with call.connection() as conn:
            try:
                check_secrets(source, await store.secrets_of(conn, tenant_id, name))
            except BadSecret as error:
                raise wrong("/file", str(error)) from None
            new = store.NewSource(name, source.kind, body.file)
            await store.set_source(conn, tenant_id, new, call.actor, body.why.strip())
    return await _shown(call, name)


async def _rotate(call: Call) -> Answer:
    name, tenant_id, body = call.path["source"], call.tenant.tenant_id, call.body
    holds = timedelta(seconds=body.old_holds_s)
    with refusals(call):
        async with call.connection() as conn:
            source = await store.source_named(conn, tenant_id, name)
            if body.key or source.kind == "form":
                if body.secret is not None:
                    raise wrong("/secret", "is that of a webhook; here the key is replaced")
                key = await store.rotate_key(conn, tenant_id, name, holds, call.actor)
                return Answer(SourceOpened(name, source.kind, path_of(source.kind, key), None), 200, _NO_STORE)
            secret = _secret_for(source.parsed(), body.secret)
            await store.rotate_secret(conn, tenant_id, name, str(secret), holds, call.actor)
    return Answer(SourceOpened(name, source.kind, None, None if body.secret else secret), 200, _NO_STORE)


async def _remove(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            await store.remove_source(
                conn, call.tenant.tenant_id, call.path["source"], call.actor, call.query.why.strip()
            )
    return Answer(None, 204)
