"""`lead-router notify test|list`: the channels of the built-in notifier."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ops.cli.context import CannotRun, Context, async_command, console, json_option, print_json
from router.domain.phrases import duration, suggestion
from router.store import notify as store
from router.store.leads import database_clock
from router.store.notify import ChannelState

if TYPE_CHECKING:
    from ops.notify.channels import Channel


def _channels(context: Context) -> "Sequence[Channel]":
    """Raises CannotRun when no file with channels is set."""
    from ops.notify.channels import EXAMPLE, configured_channels  # noqa: PLC0415 - few commands need them

    if context.settings.notify.file is None:
        raise CannotRun(f"no channels: notify.file (LEAD_ROUTER_NOTIFY_FILE) names no file; {EXAMPLE} is an example")
    return configured_channels(context.settings)


def _named(channels: "Sequence[Channel]", name: str) -> "Channel":
    for one in channels:
        if one.name == name:
            return one
    names = [one.name for one in channels]
    near = suggestion(name, names)
    raise CannotRun(f"no channel {name}; " + (f"did you mean {near}?" if near else f"there are {', '.join(names)}"))


@click.command("test")
@click.argument("channel")
@click.option("--dry-run", is_flag=True, help="Show the message, and send nothing.")
@json_option
@async_command
async def test(context: Context, *, channel: str, dry_run: bool, as_json: bool) -> int:
    """Send one test message to CHANNEL, now, and show the answer.

    It says how things stand now, as alerts do, and counts for the channel's rate limit. Exit code 1 = it was not taken.

    \b
    Example:
      lead-router notify test oncall
    """
    from ops.notify.robots import Outcome  # noqa: PLC0415 - few commands send
    from ops.notify.trial import attempt, shown_text, test_message  # noqa: PLC0415 - the same

    one = _named(_channels(context), channel)
    ident = f"ntf_test_{secrets.token_hex(8)}"
    async with context.present() as (conn, presence):
        message = await test_message(conn, presence, one)
        sent = None if dry_run else await attempt(conn, one, message, ident, context.settings.notify)
    outcome = sent or Outcome()
    if as_json:
        print_json(
            {
                "channel": one.name,
                "kind": one.kind.value,
                "id": ident,
                "sent": sent is not None and sent.error is None,
                "error": outcome.error,
                "note": outcome.note,
                "text": shown_text(one, message, ident),
            }
        )
    else:
        console().print(shown_text(one, message, ident), markup=False)
        said = "nothing was sent (--dry-run)" if sent is None else sent.error or sent.note or "the message was taken"
        console().print(f"channel {one.name} ({one.kind}): {said}", markup=False)
    return int(outcome.error is not None)


@click.command("list")
@json_option
@async_command
async def list_(context: Context, *, as_json: bool) -> int:
    """List the channels, the last success and error of each, and what waits to be sent.

    Addresses and secrets are not shown. Exit code 1 = the last attempt of one of them failed.

    \b
    Example:
      lead-router notify list
    """
    channels = _channels(context)
    async with context.connection() as conn:
        states = {one.channel: one for one in await store.channel_states(conn)}
        now = await database_clock(conn)
    if as_json:
        print_json([_document(one, states.get(one.name)) for one in channels])
    else:
        _print(channels, states, now)
    ours = [states[one.name] for one in channels if one.name in states]
    return int(any(one.failing_since is not None for one in ours))


def _document(one: "Channel", state: ChannelState | None) -> dict[str, Any]:
    """For machines; never an address or a secret."""
    names = ("succeeded_at", "failing_since", "failures", "failed_at", "last_error", "rests_until", "given_up_at")
    return {
        "channel": one.name,
        "kind": one.kind.value,
        "language": one.language,
        "minimum": one.minimum.value,
        "tenants": list(one.tenants) or None,
        "used": state is not None,
        **{name: _plain(getattr(state, name, None)) for name in names},
        "waiting": state.waiting if state else 0,
        "oldest_waiting_since": _plain(state.oldest) if state else None,
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _print(channels: "Sequence[Channel]", states: dict[str, ChannelState], now: datetime) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    table = Table(box=None, pad_edge=False)
    for title in ("channel", "kind", "language", "from", "tenants", "last success", "waiting", "last error"):
        table.add_column(title, overflow="fold")
    for one in channels:
        state = states.get(one.name)
        table.add_row(
            one.name,
            one.kind.value,
            one.language,
            one.minimum.value,
            ", ".join(one.tenants) or "all",
            _ago(state.succeeded_at if state else None, now),
            f"{state.waiting:,}" if state else "0",
            f"{state.last_error} ({_ago(state.failed_at, now)})" if state and state.last_error else "",
        )
    console().print(table)


def _ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{duration((now - moment).total_seconds())} ago"
