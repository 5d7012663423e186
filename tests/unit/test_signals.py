"""Signals, sent to real processes: the first ends work in good order, the second at once."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from router.runtime.signals import on_hangup

PROGRAM = textwrap.dedent("""
    import asyncio, sys, time
    from router.runtime.signals import stop_on_signals

    async def main():
        stop = asyncio.Event()
        with stop_on_signals(stop.set, give_up_after_s=float(sys.argv[2])):
            print("ready", flush=True)
            if sys.argv[1] == "busy":
                while True: pass
            await stop.wait()
            print("stopping", flush=True)
            if sys.argv[1] == "stuck":
                await asyncio.Event().wait()
            print("released", flush=True)

    asyncio.run(main())
""")


@contextmanager
def program(behaviour: str, give_up_after_s: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, behaviour, str(give_up_after_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_work_end_in_good_order(number: int) -> None:
    with program("good", 600) as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert out == "stopping\nreleased\n"
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_stuck_process_at_once(number: int) -> None:
    with program("stuck", 600) as process:
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number


@pytest.mark.parametrize("behaviour", ["stuck", "busy"])
def test_a_stop_that_does_not_end_is_given_up_even_when_the_loop_is_busy(behaviour: str) -> None:
    with program(behaviour, 0.2) as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not stopped within 0.2 s" in err


@pytest.mark.parametrize(
    ("terminals", "expected"), [((False, False), "ask"), ((True, True), "ask"), ((True, False), "stop")]
)
async def test_a_hangup_asks_to_reload_unless_the_terminal_is_gone(
    monkeypatch: pytest.MonkeyPatch, terminals: tuple[bool, bool], expected: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    looks = iter(terminals)
    monkeypatch.setattr("router.runtime.signals.has_terminal", lambda: next(looks))
    with on_hangup(lambda: heard.put_nowait("ask"), lambda: heard.put_nowait("stop")):
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(60):
            assert await heard.get() == expected
