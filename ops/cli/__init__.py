"""The command `lead-router`: the families of router.cli and of ops.cli under one roof."""

from importlib import import_module

import click

# family name -> module with the click command or group of the same name; read only when it is called.
FAMILIES: dict[str, str] = {
    "migrate": "ops.cli.migrate",
    "tenants": "router.cli.tenants",
    "reps": "router.cli.reps",
    "rules": "router.cli.rules",
    "leads": "router.cli.leads",
    "drain": "router.cli.drain",
    "end": "router.cli.end",
    "assign": "router.cli.assign",
    "serve": "ops.cli.serve",
    "up": "ops.cli.up",
    "status": "ops.cli.status",
    "why": "ops.cli.why",
    "audit": "ops.cli.audit",
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


@click.group(cls=Families, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Puts every sales lead, exactly once, in the hands of the right rep."""
