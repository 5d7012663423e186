"""An open-loop load for Locust: requests are due on a schedule, whether or not earlier ones have been answered.

Started by `make load`, which writes the plan that LOAD_PLAN names. One user of each worker sends everything that is
due; what is measured is written down here, since Locust rounds percentiles and counts from the send. Nothing of the
service is imported: Locust has patched Python's sockets and threads for gevent.
"""

import os
import random
from pathlib import Path
from time import monotonic, time
from typing import Any

import gevent
from gevent.pool import Pool
from locust import FastHttpUser, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtest.load import plan as plans
from loadtest.load.breaking import Watch
from loadtest.load.failing import answer_of
from loadtest.load.requests import READ_BACK, Request, Requests
from loadtest.load.samples import Outcome, Sample, Writer
from loadtest.load.schedule import due_times, of_worker

PLAN = plans.read(Path(os.environ[plans.VARIABLE]))
_DONE = "schedule done"


class Dispatcher(FastHttpUser):
    """Sends what is due. One client's connections serve all requests that are under way."""

    host = PLAN.url
    concurrency = PLAN.in_flight
    network_timeout = PLAN.timeout_s
    connection_timeout = PLAN.timeout_s

    def on_start(self) -> None:
        """Its own part of the schedule, from now on."""
        runner = self.environment.runner
        self.worker = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        rng = random.Random(f"{PLAN.seed} {self.worker}")
        self.requests = Requests(PLAN, self.worker, rng)
        self.under_way = Pool(PLAN.in_flight)
        self.watch = Watch(PLAN.abort) if PLAN.abort else None
        self.due = (
            iter(PLAN.due_s[self.worker :: PLAN.workers])
            if PLAN.due_s
            else due_times(of_worker(PLAN.pieces, PLAN.workers), rng)
        )
        self.writer = Writer(Path(PLAN.folder), self.worker, time())
        self.begin_s = monotonic()

    @task
    def dispatch(self) -> None:
        """All of the schedule; then what is still under way is waited for, and the run is over."""
        for due_s in self.due:
            if (ahead_s := self.begin_s + due_s - monotonic()) > 0:
                gevent.sleep(ahead_s)
            request = self.requests.next(due_s)
            if self.under_way.free_count():
                self.under_way.spawn(self.send, request, due_s)
            else:
                now_s = self.now_s()
                self.note(Sample(request.name, due_s, now_s, now_s, Outcome.DROPPED))
            if self.watch and self.watch.broken:
                break
        self.under_way.join()
        self.writer.close()
        if isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.send_message(_DONE)
        raise StopUser

    def send(self, request: Request, due_s: float) -> None:
        """Sends one, and writes down what became of it."""
        sent_s = self.now_s()
        with self.client.request(
            request.method,
            request.path,
            name=request.name,
            data=request.body,
            headers=dict(request.headers),
            catch_response=True,
            allow_redirects=False,
        ) as response:
            done_s, status = self.now_s(), int(response.status_code or 0)
            ok = status in request.expected
            taken = self.requests.learn(request, response.json() if request.name in READ_BACK else None) if ok else 0
            answer = "" if ok else answer_of(status, response.text, response.error)
            if ok:
                response.success()
            else:
                response.failure(answer)
        outcome = Outcome.OK if ok else Outcome.FAILED
        leads = request.source, request.key, request.handed, taken
        self.note(Sample(request.name, due_s, sent_s, done_s, outcome, status, *leads, answer))

    def note(self, sample: Sample) -> None:
        """Writes one down."""
        self.writer.write(sample)
        if self.watch:
            self.watch.note(sample.done_s, sample.waited_s, failed=sample.outcome is not Outcome.OK)

    def now_s(self) -> float:
        """Seconds since the schedule began."""
        return monotonic() - self.begin_s


def _end_with_the_schedules(environment: Environment, **_: Any) -> None:
    """The master ends the run when all workers are through."""
    runner = environment.runner
    if not isinstance(runner, MasterRunner):
        return
    done = set[str]()

    def note(environment: Environment, msg: Any, **_: Any) -> None:
        done.add(msg.node_id)
        if len(done) == PLAN.workers:
            runner.quit()

    runner.register_message(_DONE, note)


events.init.add_listener(_end_with_the_schedules)  # type: ignore[no-untyped-call]
