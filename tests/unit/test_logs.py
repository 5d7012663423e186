"""Logs: one JSON object a line, UTC, who and for whom; and never a password, however it got there."""

import asyncio
import gc
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
import structlog

from router.telemetry import logs
from router.telemetry.log_format import configure_logs
from router.telemetry.logs import bound, configure_logs_later

URL = "postgresql://router:S3cret@db/leads"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logs("info", "auto", "router-7", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_an_event_says_when_in_utc_who_and_for_which_tenant(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with bound(tenant="acme"):
        structlog.get_logger("router.drain").info("batch", leads=10)
    (event,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event.pop("timestamp"))
    assert event == {
        "event": "batch",
        "leads": 10,
        "tenant": "acme",
        "instance": "router-7",
        "level": "info",
        "logger": "router.drain",
    }


def test_what_is_below_the_level_is_not_written(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger().debug("small")
    logging.getLogger("asyncio").debug("small")
    assert lines() == []


def test_logs_of_libraries_come_out_in_the_same_form(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved: %s", URL)
    (event,) = lines()
    assert event["event"] == "Task exception was never retrieved: postgresql://router:***@db/leads"
    assert (event["level"], event["logger"], event["instance"]) == ("error", "asyncio", "router-7")


async def test_a_connect_that_is_given_up_at_any_moment_logs_no_error(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    wires: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: wires.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for moment in range(12):
        connect = asyncio.create_task(asyncpg.connect(f"postgresql://u@127.0.0.1:{port}/d", timeout=30))
        for _ in range(moment):
            await asyncio.sleep(0)
        connect.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connect
        del connect
    for wire in wires:
        wire.close()
    server.close()
    await server.wait_closed()
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()
    logging.getLogger("asyncio").error("another one", exc_info=ConnectionError("refused"))
    assert [line["event"] for line in lines()] == ["another one"]


def test_no_password_is_written(lines: Callable[[], list[dict[str, Any]]]) -> None:
    log = structlog.get_logger()
    log.info(f"to {URL}", url=URL, deep=[{"urls": (URL,)}], object=Exception(URL), database_password="S3cret")
    try:
        raise OSError(f"cannot reach {URL}")
    except OSError:
        log.exception("failed")
        logging.getLogger("asyncpg").exception("failed")
    events = lines()
    assert len(events) == 3
    assert "OSError: cannot reach postgresql://router:***@db/leads" in events[1]["exception"]
    assert "OSError: cannot reach postgresql://router:***@db/leads" in events[2]["exception"]
    assert "S3cret" not in json.dumps(events)


def test_the_console_form_has_no_password_either() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:]
    configure_logs("info", "console", "router-7", stream)
    try:
        secret = URL
        raise OSError(f"cannot reach {secret}")
    except OSError:
        structlog.get_logger().exception("failed")
    finally:
        root.handlers[:] = before
        structlog.reset_defaults()
    assert "OSError" in stream.getvalue()
    assert "S3cret" not in stream.getvalue()


def test_a_command_sets_its_logs_up_with_the_first_thing_that_is_logged() -> None:
    program = """
import logging, sys
from router.telemetry.logs import configure_logs_later, get_logger
log = get_logger("router.drain")
configure_logs_later("info", "json", "router-7")
assert "structlog" not in sys.modules
{}
"""
    firsts = (f"logging.getLogger('asyncio').error('lost: {URL}')", f"log.info('lost: {URL}')")
    for first in firsts:
        words = [sys.executable, "-c", program.format(first)]
        written = subprocess.run(words, check=True, capture_output=True, text=True).stderr
        (event,) = [json.loads(line) for line in written.splitlines()]
        assert (event["event"], event["instance"]) == ("lost: postgresql://router:***@db/leads", "router-7")


@pytest.mark.filterwarnings("error")
def test_logs_that_nobody_sets_up_do_not_write_one_line_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs_later("info", "json", "router-7")
    logs._set_up = None  # as for a thread that logs while another one is setting the logs up
    logging.getLogger("asyncio").error("lost")
    assert not [each for each in logging.getLogger().handlers if type(each) is logs._First]
    assert capsys.readouterr().err.count("lost") == 1


def test_the_first_lines_of_threads_that_log_at_once_are_all_written() -> None:
    program = """
import logging, threading
from router.telemetry.logs import configure_logs_later, get_logger
configure_logs_later("info", "json", "router-7")
ready = threading.Barrier(8)
def work(number):
    ready.wait()
    get_logger("router.drain").info("ours", number=number) if number % 2 else logging.getLogger("asyncio").error("lost")
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    written = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stderr
    assert sorted(json.loads(line)["event"] for line in written.splitlines()) == ["lost"] * 4 + ["ours"] * 4
