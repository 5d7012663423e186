"""The command `lead-router`. What is here costs every start: commands, settings and logs come when they are needed."""

import os
from pathlib import Path

import click

from ops.cli.commands import COMMANDS, SECTIONS
from ops.cli.family import Family

# NumPy would start threads for calculations that we never ask for.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.group(
    "lead-router",
    cls=Family,
    commands=COMMANDS,
    sections=SECTIONS,
    example="drain --until-idle",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="lead-router", prog_name="lead-router")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the embedded servers (default .lead-router; used when no database is configured).",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings (default config/router.yaml, where it exists); LEAD_ROUTER_... variables override them.",
)
def main(**_: Path | None) -> None:
    """Assigns every sales lead to the right rep, exactly once."""
    # The options are for the command: see ops.cli.start.
