"""Where events are delivered to, over HTTP: by the functions of `lead-router webhooks`."""

import secrets
from datetime import timedelta
from functools import partial

import msgspec

from ops.api.event_webhook_documents import (
    DeadEvents,
    DeadQuery,
    Disabling,
    Enabling,
    EventWebhook,
    EventWebhookAdded,
    EventWebhookList,
    EventWebhookSecret,
    EventWebhookShown,
    EventWebhookTried,
    EventWebhookWanted,
    Redelivered,
    Redelivery,
    Rotation,
    UndeliveredEvents,
)
from ops.api.fields import wrong
from ops.api.ids import WEBHOOK, number_of
from ops.api.means import Means
from ops.api.refusals import refusals
from ops.api.tokens import WhyQuery
from ops.documents.webhooks import dead_document, document
from router.domain.access import EVERY_TENANT, Permission
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused
from router.outbox.addresses import PrivateAddress, check_endpoint
from router.outbox.again import TooManyAgain, events_between
from router.outbox.cursor import Cursor, CursorError, CursorTooOld
from router.outbox.event import TYPES, event_key
from router.outbox.feed import begin_after, read_events
from router.outbox.names import Names
from router.outbox.signing import SECRET_BYTES, new_secret, secret_key
from router.outbox.trial import prepare_trial, send_trial
from router.store import webhooks as store
from router.store.leads import database_clock
from router.store.statements import Connection

_PATH = "/v1/event-webhooks"
_NO_STORE = {"Cache-Control": "no-store"}


def operations(means: Means) -> list[Operation]:
    """Of webhooks that events are delivered to."""
    look, change = Permission.OPERATE, Permission.ADMINISTER
    one = f"{_PATH}/{{webhook}}"
    made = partial(Operation, tag="event webhooks")
    return [
        made(
            id="list_event_webhooks",
            method="GET",
            path=_PATH,
            summary="Where events are delivered to, and how each fares",
            handler=_list,
            answers={200: EventWebhookList},
            permission=look,
        ),
        made(
            id="add_event_webhook",
            method="POST",
            path=_PATH,
            summary="Have events delivered to a URL",
            description=(
                "A URL that is, or leads to, a private address or this host is refused, unless `allow_private` says "
                "that it is meant. A host that cannot be looked up right now is taken, with a `warning`."
            ),
            handler=partial(_add, means, Names()),
            answers={201: EventWebhookAdded},
            permission=change,
            body=EventWebhookWanted,
        ),
        made(
            id="get_event_webhook",
            method="GET",
            path=one,
            summary="A webhook, how it fares, and how many events it has not got, by age",
            handler=_get,
            answers={200: EventWebhookShown},
            permission=look,
        ),
        made(
            id="remove_event_webhook",
            method="DELETE",
            path=one,
            summary="Remove a webhook, its secrets, and what waits for it",
            handler=_remove,
            answers={204: None},
            permission=change,
            query=WhyQuery,
        ),
        made(
            id="enable_event_webhook",
            method="POST",
            path=f"{one}/enable",
            summary="Deliver to a webhook again",
            handler=_enable,
            answers={200: EventWebhook},
            permission=look,
            body=Enabling,
        ),
        made(
            id="disable_event_webhook",
            method="POST",
            path=f"{one}/disable",
            summary="Deliver nothing more to a webhook",
            handler=_disable,
            answers={200: EventWebhook},
            permission=look,
            body=Disabling,
        ),
        made(
            id="rotate_event_webhook",
            method="POST",
            path=f"{one}/rotate",
            summary="Sign with a new secret, which is shown once",
            handler=_rotate,
            answers={200: EventWebhookSecret},
            permission=change,
            body=Rotation,
        ),
        made(
            id="test_event_webhook",
            method="POST",
            path=f"{one}/test",
            summary="Send a test event now, and say what was answered",
            handler=partial(_test, means),
            answers={200: EventWebhookTried},
            permission=look,
        ),
        made(
            id="list_dead_events",
            method="GET",
            path=f"{one}/dead",
            summary="Events that a webhook did not take",
            handler=_dead,
            answers={200: DeadEvents},
            permission=look,
            query=DeadQuery,
        ),
        made(
            id="redeliver_events",
            method="POST",
            path=f"{one}/redeliver",
            summary="Deliver events once more, with the ids that they had",
            handler=_redeliver,
            answers={200: Redelivered},
            permission=look,
            body=Redelivery,
        ),
    ]


def _number(call: Call) -> int:
    return number_of(call.path["webhook"], WEBHOOK)


async def _list(call: Call) -> Answer:
    async with call.connection() as conn:
        found = await store.webhooks_of(conn, [call.tenant.tenant_id])
        now = await database_clock(conn)
    rows = [msgspec.convert(document(one, call.tenant.name, now), EventWebhook) for one in found]
    return Answer(EventWebhookList(rows))


async def _get(call: Call) -> Answer:
    tenant = call.tenant
    with refusals(call):
        async with call.connection() as conn:
            one = await store.webhook_numbered(conn, tenant.tenant_id, _number(call))
            ahead = await store.undelivered(conn, one)
            now = await database_clock(conn)
    begins = (0.0, *store.AGES_S)
    ages = [
        UndeliveredEvents(begin, end, number)
        for begin, end, number in zip(begins, (*store.AGES_S, None), ahead.events, strict=True)
    ]
    shown = {**document(one, tenant.name, now), "undelivered": ages, "all_counted": ahead.all_seen}
    return Answer(msgspec.convert(shown, EventWebhookShown))


async def _add(means: Means, names: Names, call: Call) -> Answer:
    """No connection to the database is kept while the host is looked up; `names` limits how many are at a time."""
    wanted: EventWebhookWanted = call.body
    secret = _checked(call, wanted)
    warning = await _looked_up(means, names, wanted)
    with refusals(call):
        async with call.connection() as conn:
            after = await _cursor(conn, call, wanted.after, "/after")
            types = list(dict.fromkeys(wanted.types)) if wanted.types else None
            number = await store.add(
                conn,
                call.tenant.tenant_id,
                wanted.url,
                types,
                secret,
                after,
                allow_private=wanted.allow_private,
                note=wanted.note,
                actor=call.actor,
            )
    shown = None if wanted.secret else secret
    return Answer(EventWebhookAdded(number, shown, None, warning=warning), 201, _NO_STORE)


def _checked(call: Call, wanted: EventWebhookWanted) -> str:
    """The secret. Raises Refused."""
    if wanted.allow_private and call.token.tenant_id != EVERY_TENANT:
        raise Refused(Kind.NOT_ALLOWED, "a private address needs a token that is for all tenants")
    if unknown := [one for one in wanted.types or () if one not in TYPES]:
        raise wrong("/types", f"there is no type {unknown[0][:40]!r}; there are {', '.join(TYPES)}")
    secret = wanted.secret or new_secret(secrets.token_bytes(SECRET_BYTES))
    try:
        secret_key(secret)
    except ValueError as error:
        raise wrong("/secret", str(error)) from None
    return secret


async def _looked_up(means: Means, names: Names, wanted: EventWebhookWanted) -> str | None:
    """What is to be said of the URL, if anything; never the address that a name leads to. Raises Refused."""
    anywhere = wanted.allow_private or means.webhooks.private_addresses == "allowed"
    try:
        return await check_endpoint(wanted.url, names, allow_private=anywhere)
    except PrivateAddress as error:
        meant = "where it is meant, add it with allow_private and a token for all tenants"
        raise wrong("/url", f"{error.what}; {meant}") from None
    except ValueError as error:
        raise wrong("/url", str(error)) from None


async def _cursor(conn: Connection, call: Call, text: str, pointer: str) -> Cursor:
    """Raises Refused, also where events after it are gone."""
    try:
        cursor = await begin_after(conn, call.tenant.tenant_id, text)
        await read_events(conn, call.tenant.tenant_id, cursor, limit=1)
    except CursorTooOld as error:
        raise Refused(Kind.GONE, str(error)) from None
    except CursorError as error:
        raise wrong(pointer, str(error)) from None
    return cursor


async def _remove(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            await store.remove(conn, call.tenant.tenant_id, _number(call), call.actor, call.query.why.strip())
    return Answer(None, 204)


async def _enable(call: Call) -> Answer:
    return await _switch(call, call.body.after, enabled=True)


async def _disable(call: Call) -> Answer:
    return await _switch(call, None, enabled=False)


async def _switch(call: Call, text: str | None, *, enabled: bool) -> Answer:
    tenant, number, why = call.tenant, _number(call), call.body.why.strip()
    with refusals(call):
        async with call.connection() as conn:
            after = None if text is None else await _cursor(conn, call, text, "/after")
            await store.switch(conn, tenant.tenant_id, number, call.actor, why, enabled=enabled, after=after)
            one = await store.webhook_numbered(conn, tenant.tenant_id, number)
            now = await database_clock(conn)
    return Answer(msgspec.convert(document(one, tenant.name, now), EventWebhook))


async def _rotate(call: Call) -> Answer:
    secret, body = new_secret(secrets.token_bytes(SECRET_BYTES)), call.body
    number, overlap = _number(call), timedelta(seconds=body.overlap_s)
    with refusals(call):
        async with call.connection() as conn:
            until = await store.rotate(
                conn, call.tenant.tenant_id, number, secret, overlap, call.actor, body.why.strip()
            )
    return Answer(EventWebhookSecret(number, secret, until), 200, _NO_STORE)


async def _test(means: Means, call: Call) -> Answer:
    """No connection to the database is kept while the endpoint answers."""
    number = _number(call)
    with refusals(call):
        async with call.connection() as conn:
            trial = await prepare_trial(conn, call.tenant.tenant_id, number)
    error = await send_trial(trial, means.webhooks)
    return Answer(EventWebhookTried(number, error is None, error, trial.event.id))


async def _dead(call: Call) -> Answer:
    number, tenant_id = _number(call), call.tenant.tenant_id
    with refusals(call):
        async with call.connection() as conn:
            await store.webhook_numbered(conn, tenant_id, number)
            rows = await store.dead_of(conn, tenant_id, number, call.query.limit)
    return Answer(DeadEvents(number, [dead_document(row) for row in rows]))


async def _redeliver(call: Call) -> Answer:
    wanted: Redelivery = call.body
    if (bool(wanted.ids), wanted.dead, wanted.after is not None).count(True) != 1:
        raise wrong("", "say which events: ids, dead or after, one of them")
    number, tenant_id = _number(call), call.tenant.tenant_id
    keys = None if wanted.dead else _keys(wanted.ids)
    with refusals(call):
        async with call.connection() as conn:
            one = await store.webhook_numbered(conn, tenant_id, number)
            if wanted.after is not None:
                begin = await _cursor(conn, call, wanted.after, "/after")
                keys = await _between(conn, one, begin, wanted.until)
            found = await store.deliver_again(conn, tenant_id, number, keys, call.actor, wanted.why.strip())
    return Answer(Redelivered(number, found.events, found.gone, found.unknown))


async def _between(conn: Connection, one: store.Webhook, begin: Cursor, last: str | None) -> list[tuple[int, int]]:
    try:
        return await events_between(conn, one, begin, last)
    except TooManyAgain as error:
        raise wrong("/after", str(error)) from None
    except CursorError as error:
        raise wrong("/until", str(error)) from None


def _keys(ids: list[str]) -> list[tuple[int, int]]:
    keys, problems = [], []
    for place, text in enumerate(ids):
        try:
            keys.append(event_key(text))
        except ValueError as error:
            problems.append(FieldProblem(f"/ids/{place}", str(error)))
    if problems:
        raise Refused(Kind.INVALID, f"{problems[0].pointer}: {problems[0].reason}", problems)
    return keys
