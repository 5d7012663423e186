"""The command `lead-router`: the families of router.cli and of ops.cli under one roof."""

import os
import socket
from importlib import import_module
from pathlib import Path

import click
import msgspec

from ops.cli.context import CannotRun, Context
from ops.embedded.servers import open_servers
from router.settings.model import Settings, SettingsError
from router.settings.read import read_settings, settings_file
from router.telemetry.logs import configure_logs

# family name -> module with the click command or group of the same name; read only when it is called.
FAMILIES: dict[str, str] = {
    "migrate": "ops.cli.migrate",
    "tenants": "ops.cli.tenants",
    "reps": "ops.cli.reps_sync",
    "rules": "ops.cli.rules_trial",
    "leads": "ops.cli.leads",
    "customers": "ops.cli.customers",
    "drain": "ops.cli.drain",
    "end": "ops.cli.end",
    "assign": "ops.cli.assign",
    "pause": "ops.cli.pause",
    "resume": "ops.cli.pause",
    "park": "ops.cli.park",
    "unpark": "ops.cli.park",
    "retry": "ops.cli.retry",
    "serve": "ops.cli.serve",
    "up": "ops.cli.up",
    "status": "ops.cli.status",
    "why": "ops.cli.why",
    "audit": "ops.cli.audit",
    "blockers": "ops.cli.blockers",
}


class Families(click.Group):
    """Loads a command's module when it is asked for, so that `--help` and small commands start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(FAMILIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in FAMILIES:
            return None
        command = getattr(import_module(FAMILIES[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=Families,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: lead-router drain --until-idle",
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
@click.pass_context
def main(ctx: click.Context, data_dir: Path | None, config_file: Path | None) -> None:
    """Puts every sales lead, exactly once, in the hands of the right rep."""
    try:
        file = config_file or settings_file(os.environ)
        settings = _settings(file, data_dir)
    except SettingsError as error:
        raise CannotRun(str(error)) from error
    configure_logs(settings.log.level, settings.log.format, f"{socket.gethostname()}-{os.getpid()}")
    # A file that was there and is gone is a mistake, not the wish for the defaults.
    ctx.obj = Context(settings, open_servers, lambda: _settings(file or settings_file(os.environ), data_dir))


def _settings(file: Path | None, data_dir: Path | None) -> Settings:
    settings = read_settings(os.environ, file)
    return settings if data_dir is None else msgspec.structs.replace(settings, data_dir=data_dir)
