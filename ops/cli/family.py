"""Families of commands whose modules are read only when a command is called: not for `--help`, not for the others."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import IO, Any

import click


class UsageWithExample(click.UsageError):
    """A usage error of a command, with the first example of its help."""

    def __init__(self, error: click.UsageError, example: str) -> None:
        super().__init__(error.format_message(), error.ctx)
        self._example = example

    def show(self, file: IO[Any] | None = None) -> None:
        super().show(file)
        click.echo(f"Example: {self._example}", file=file, err=file is None)


def _with_example(error: click.UsageError) -> click.UsageError:
    """Where something is missing or not known; a wrong value says itself what is right."""
    says_itself = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    command = error.ctx.command if error.ctx is not None else None
    if says_itself or command is None or isinstance(command, click.Group) or isinstance(error, UsageWithExample):
        return error
    example = first_example(command)
    return UsageWithExample(error, example) if example else error


def first_example(command: click.Command) -> str | None:
    """The first line after "Example:" in a command's help."""
    _, found, below = f"{command.help or ''}\n{command.epilog or ''}".partition("Example:")
    return next((line.strip() for line in below.splitlines() if line.strip()), None) if found else None


class Later(click.Command):
    """A command that was not read yet. `place` is MODULE or MODULE:NAME below `ops.cli`."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, short_help=summary)
        self._place = place

    def read(self) -> click.Command:
        """The command itself."""
        from router.runtime.garbage import modules_are_read  # noqa: PLC0415 - for `--help` nothing is read

        module, _, name = self._place.partition(":")
        with modules_are_read():
            command = getattr(import_module(f"ops.cli.{module}"), name or module)
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        return self.read().make_context(*arguments, **options)


class Family(click.Group):
    """Its commands in the order given: (place, first sentence of the help), or a family in it.

    `former` = the present names of commands by former ones, which still work and are not listed. `sections` = names of
    commands by the heading under which the help has them; empty = they are one list.
    """

    def __init__(
        self,
        name: str,
        help: str,
        example: str,
        commands: "Mapping[str, tuple[str, str] | Family]",
        *,
        former: Mapping[str, str] = MappingProxyType({}),
        sections: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        self._former = former
        self.sections = sections
        # Where it is one of a list: else it would be cut in the middle.
        options.setdefault("short_help", help)
        members: dict[str, click.Command] = {
            key: one if isinstance(one, Family) else Later(key, *one) for key, one in commands.items()
        }
        super().__init__(name, commands=members, help=help, epilog=f"Example: lead-router {example}", **options)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self._former.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises UsageError, also with the families that have a command of this name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[0] == "help":
                command = f"{ctx.command_path} {args[1]}" if args[1:] and args[1] in self.commands else ctx.command_path
                raise click.UsageError(f"{error.message} Did you mean {command} --help?", ctx) from error
            near = [name for name, one in self.commands.items() if isinstance(one, Family) and args[0] in one.commands]
            if not near:
                raise
            meant = " or ".join(f"{ctx.command_path} {name} {args[0]}" for name in near)
            raise click.UsageError(f"{error.message} Did you mean {meant}?", ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C ends with 130 as it does within a command, however early it comes: 1 would mean that something was
        found.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)
        except click.UsageError as error:
            shown = _with_example(error)
            if shown is error:
                raise
            raise shown from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self.sections:
            super().format_commands(ctx, formatter)
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self.commands[name].get_short_help_str()) for name in names])

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)
