"""How tenants spread over the workers of Citus, and what each worker and lane then has to do: a model, measured costs.

Example: `python -m loadtest.spread --bench build/bench.json --tenants 10000 --workers 16 --leads 20000000`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from ops.capacity.costs import NotMeasured, cost_of_bench

SHARDS = 32
"""Citus makes so many of a table, unless it is told otherwise (citus.shard_count)."""
SECONDS = 900
"""So much of the busiest hour is gone through."""
BUSY = 0.6
_DAY_S, _MASK = 86_400, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Rates:
    """Leads a second: of one worker with any number of lanes, and of one lane by itself."""

    worker: float
    lane: float


@dataclass(frozen=True, slots=True)
class Load:
    """`leads` a day of all tenants together, the busiest hour `peak` times the mean.

    The sizes of tenants follow a power law with this `exponent`: 0 = all alike, 1 = the second one has half as many
    leads as the first, the third a third.
    """

    tenants: int
    leads: float
    peak: float
    exponent: float

    def rates(self) -> NDArray[np.float64]:
        """Leads a second of each tenant in the busiest hour, the largest first."""
        sizes = np.arange(1, self.tenants + 1, dtype=np.float64) ** -self.exponent
        rates: NDArray[np.float64] = sizes / sizes.sum() * self.leads * self.peak / _DAY_S
        return rates


@dataclass(frozen=True, slots=True)
class Spread:
    """What was found for one number of workers. Shares are of what a worker can do (1 = all of its time); waits in
    seconds: how long the leads of the median tenant and of the largest one stand in line.
    """

    workers: int
    mean_busy: float
    busiest: float
    over: int
    median_wait_s: float
    largest_wait_s: float
    left: int


def hash_of_int(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """PostgreSQL's hash of an int (signed, 32 bits), by which Citus finds the shard of a tenant_id."""
    a = np.full(values.shape, (0x9E3779B9 + 4 + 3923095) & _MASK, dtype=np.int64)
    b, c = a.copy(), a.copy()
    a = (a + (values & _MASK)) & _MASK
    for x, y, bits in (
        ("c", "b", 14),
        ("a", "c", 11),
        ("b", "a", 25),
        ("c", "b", 16),
        ("a", "c", 4),
        ("b", "a", 14),
        ("c", "b", 24),
    ):
        parts = {"a": a, "b": b, "c": c}
        mixed = ((parts[x] ^ parts[y]) - (((parts[y] << bits) | (parts[y] >> (32 - bits))) & _MASK)) & _MASK
        a, b, c = (mixed if name == x else parts[name] for name in "abc")
    return np.where(c >= 1 << 31, c - (1 << 32), c)


def shard_of(tenant_ids: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """The shard (from 0) of each tenant: hashes are cut into equal ranges."""
    width = (1 << 32) // shards
    return np.minimum((hash_of_int(tenant_ids) + (1 << 31)) // width, shards - 1)


def workers_of(rates: NDArray[np.float64], workers: int, shards: int, isolated: int) -> NDArray[np.int64]:
    """The worker (from 0) of each tenant: shards go round; the `isolated` largest tenants have shards of their own,
    each of which was moved to the worker with the least to do.
    """
    tenant_ids = np.arange(1, len(rates) + 1, dtype=np.int64)
    found: NDArray[np.int64] = shard_of(tenant_ids, shards) % workers
    load = np.bincount(found[isolated:], weights=rates[isolated:], minlength=workers)
    for tenant in range(min(isolated, len(rates))):
        found[tenant] = int(load.argmin())
        load[found[tenant]] += rates[tenant]
    return found


def simulate(load: Load, rates: Rates, workers: int, shards: int = SHARDS, isolated: int = 0, seed: int = 1) -> Spread:
    """Second by second: leads arrive at random, each lane takes what it can, and a worker that has more to do than it
    can gives each of its lanes the same part of what it asks for.
    """
    random, arriving = np.random.default_rng(seed), load.rates()
    at = workers_of(arriving, workers, shards, isolated)
    line = np.zeros(load.tenants)
    stood, done = np.zeros(load.tenants), np.zeros(load.tenants)
    for _ in range(SECONDS):
        line += random.poisson(arriving)
        asked = np.minimum(line, rates.lane)
        given = np.minimum(1.0, rates.worker / np.maximum(np.bincount(at, weights=asked, minlength=workers), 1e-9))
        taken = asked * given[at]
        line -= taken
        stood += line
        done += taken
    busy = np.bincount(at, weights=arriving, minlength=workers) / rates.worker
    waits = stood / np.maximum(done, 1.0)
    return Spread(
        workers,
        float(busy.mean()),
        float(busy.max()),
        int((busy > BUSY).sum()),
        float(np.median(waits)),
        float(waits[0]),
        round(float(line.sum())),
    )


def table(found: Sequence[Spread]) -> list[str]:
    """As Markdown."""
    head = (
        "| workers | busy, on average | the busiest | workers over 60% | a tenant's leads wait "
        "| those of the largest | left after 15 min |"
    )
    rows = [
        f"| {one.workers} | {one.mean_busy:.0%} | {one.busiest:.0%} | {one.over} | {one.median_wait_s:.1f} s "
        f"| {one.largest_wait_s:.1f} s | {one.left:,} |"
        for one in found
    ]
    return [head, "|---|---|---|---|---|---|---|", *rows]


@click.command()
@click.option(
    "--bench", type=click.Path(dir_okay=False, path_type=Path), help="build/bench.json with the curves of make bench."
)
@click.option("--worker-rate", type=float, help="Leads a second of one worker, instead of --bench.")
@click.option("--lane-rate", type=float, help="Leads a second of one lane, instead of --bench.")
@click.option("--tenants", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True)
@click.option(
    "--workers", type=click.IntRange(1, 1_000), default=16, show_default=True, help="The most; halves of it, too."
)
@click.option("--leads", type=click.FloatRange(1), required=True, help="A day, of all tenants together.")
@click.option("--peak", type=click.FloatRange(1), default=6.0, show_default=True)
@click.option("--exponent", type=click.FloatRange(0, 3), default=1.0, show_default=True, help="How unlike tenants are.")
@click.option("--shards", type=click.IntRange(1, 4_096), default=SHARDS, show_default=True)
@click.option(
    "--isolated", type=click.IntRange(0), default=0, show_default=True, help="So many of the largest tenants."
)
def main(
    bench: Path | None,
    worker_rate: float | None,
    lane_rate: float | None,
    tenants: int,
    workers: int,
    leads: float,
    peak: float,
    exponent: float,
    shards: int,
    isolated: int,
) -> None:
    """Show how busy workers would be, and how long leads would wait, for 1, 2, 4 … workers."""
    rates = _rates(bench, worker_rate, lane_rate)
    load = Load(tenants, leads, peak, exponent)
    counts = sorted({max(1, workers >> bits) for bits in range(workers.bit_length())})
    click.echo(
        f"{tenants:,} tenants, {leads:,.0f} leads a day, peak factor {peak:g}, exponent {exponent:g}; "
        f"the largest tenant has {load.rates()[0]:,.1f} of {load.rates().sum():,.1f} leads/s in the peak; "
        f"a worker does {rates.worker:,.0f} leads/s, a lane {rates.lane:,.0f}; "
        f"{shards} shards, {isolated} tenants isolated\n"
    )
    click.echo("\n".join(table([simulate(load, rates, count, shards, isolated) for count in counts])))


def _rates(bench: Path | None, worker: float | None, lane: float | None) -> Rates:
    if bench is not None and worker is None and lane is None:
        try:
            cost = cost_of_bench(bench.read_text(encoding="utf-8"), str(bench))
        except (OSError, NotMeasured) as error:
            raise click.ClickException(str(error)) from error
        assert cost.ceiling_per_s is not None
        return Rates(cost.ceiling_per_s, 1 / cost.lane_s)
    if bench is None and worker is not None and lane is not None and min(worker, lane) > 0:
        return Rates(worker, lane)
    raise click.UsageError("name --bench, or both --worker-rate and --lane-rate (above 0)")


if __name__ == "__main__":
    main()
