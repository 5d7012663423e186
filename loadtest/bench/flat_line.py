"""Whether anything drifts while the service works on and on."""

from loadtest.bench.figures import Figure, figure
from loadtest.bench.stage import NotClean, Stage
from loadtest.faults.flat import SERVER, flat
from loadtest.faults.server import fault_server, reachable_folder
from ops.embedded.server import DATABASE
from router.store.migrate import migrate

_NAMED = 6


async def soak_slopes(stage: Stage) -> list[Figure]:
    """soak_slopes: `make soak FLAT=1`, on a server of its own."""
    seconds = stage.size(900, 30)
    with reachable_folder("lead-router-bench-") as folder:
        async with fault_server(folder, SERVER) as server:
            await migrate(server.url())
            run = await flat(server, DATABASE, 1, seconds, stage.say)
    if run.violations:
        raise NotClean("; ".join(run.violations[:5]))
    drifting = [one.words for one in run.drifting]
    more = f" and {len(drifting) - _NAMED} more" if len(drifting) > _NAMED else ""
    note = (
        f"series with a slope that is not within noise, of {len(run.judged)}, at 95% for all together; {seconds} s at "
        f"{run.rate:,.0f} leads/s, 60% of {run.maximum:,.0f}, {run.leads:,} leads; cleanup archived "
        f"{run.archived:,} old ones meanwhile"
    )
    named = f": {'; '.join(drifting[:_NAMED])}{more}" if drifting else ""
    return [figure("soak_slopes", [float(len(drifting))], note + named)]
