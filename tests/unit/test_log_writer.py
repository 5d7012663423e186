"""Whoever reads the logs, or does not, stops no work: lines wait in a queue, and repeats are held back."""

import logging
import os
import subprocess
import sys
from contextlib import suppress

import structlog

from router.telemetry.log_repeats import FewRepeats
from router.telemetry.log_writer import LogWriter

LOGS_MUCH = """
import time
from router.telemetry.log_format import configure_logs
import structlog
configure_logs("info", "json", "router-7")
begin = time.monotonic()
for number in range(5000):
    structlog.get_logger().warning(f"line {number}", padding="x" * 200)
print("done")
"""


def run(stderr: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", LOGS_MUCH], stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60, check=False
    )


def test_a_pipe_that_nobody_reads_neither_stops_the_work_nor_the_end() -> None:
    reading, writing = os.pipe()
    try:
        done = run(writing)
    finally:
        os.close(writing)
        os.close(reading)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_pipe_whose_reader_is_gone_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_process_that_was_given_no_stderr_starts_and_works() -> None:
    command = 'exec "$0" -c "$1" 2>&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, LOGS_MUCH], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_all_lines_are_there_at_the_end_in_their_order() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None and cat.stdout is not None
        writer = LogWriter(cat.stdin.fileno())
        for number in range(3000):
            writer.write(f"{number}\n")
        assert writer.wait(30)
        cat.stdin.close()
        assert cat.stdout.read().split() == [str(number).encode() for number in range(3000)]
    assert writer.dropped == 0


def test_lines_beyond_the_bound_are_counted_as_dropped() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    writer = LogWriter(writing, max_lines=10)
    for _ in range(50):
        writer.write("a line\n")
    assert not writer.wait(0.05)
    assert 39 <= writer.dropped <= 40
    while not writer.wait(0):
        os.read(reading, 4096)
    os.close(writing)
    os.close(reading)


def a_record(event: str, level: int = logging.WARNING, **more: object) -> logging.LogRecord:
    return logging.LogRecord("router", level, "x.py", 1, {"event": event, **more}, None, None)


def test_the_same_trouble_is_written_now_and_then_and_says_how_often_it_was_left_out() -> None:
    now = [0.0]
    few = FewRepeats(lambda: now[0])
    assert sum(few.filter(a_record("refused", error=str(n))) for n in range(1000)) == 10
    assert few.filter(a_record("refused", tenant="other"))
    assert few.filter(a_record("refused", logging.CRITICAL))
    now[0] = 60.0
    record = a_record("refused")
    assert few.filter(record)
    assert vars(record)["msg"]["left_out"] == 990


def test_what_libraries_repeat_is_held_back_too_and_never_fails() -> None:
    few = FewRepeats(lambda: 0.0)
    records = [
        logging.LogRecord("asyncio", logging.ERROR, "x.py", 1, "accept failed %s", (n,), None) for n in range(99)
    ]
    assert sum(map(few.filter, records)) == 10
    structlog.reset_defaults()
