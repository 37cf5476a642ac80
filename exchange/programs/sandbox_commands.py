"""The commands `exchange sandbox` and `exchange demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from demo.plan import COORDINATOR, LOAD_MEMBERS, SandboxPlan
from demo.sandbox import Sandbox
from demo.steps import SandboxError, split_names
from demo.story import Demonstration, DemonstrationError, run_demonstration
from demo.supervisor import ProgramNotReadyError
from exchange.programs.commands import CommandError
from keys.terminal.program import reports, wants_json
from schemas.values.fields import IDENTIFIER


def _names(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    names = split_names(text)
    for name in names:
        if not IDENTIFIER.fullmatch(name) or name in (COORDINATOR, *LOAD_MEMBERS):
            raise click.BadParameter(
                f"{name!r}: 1 to 64 of a-z, 0-9, - and _ are required, and not a name of the sandbox's own"
            )
    if len(set(names)) != len(names):
        raise click.BadParameter("duplicate name")
    return names


@click.command(epilog="Example: exchange sandbox ./sandbox --banks a,b,c --agencies nca")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--banks", default="a,b,c", show_default=True, callback=_names, help="Member ids, separated by commas.")
@click.option("--agencies", default="", callback=_names, help="Law-enforcement members.")
@click.option("--holders", default=3, show_default=True, type=click.IntRange(2, 16), help="Key holders.")
@click.option("--threshold", default=2, show_default=True, type=click.IntRange(2, 16), help="How many answer together.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Of the exchange; 0 takes a free one.")
@click.option("--database-url", help="postgresql+psycopg://…  [default: SQLite in the folder]")
@click.option("--indicators", default=0, type=click.IntRange(0, 20_000_000), help="Generated rows, for load tests.")
@click.option("--alerts", default=0, type=click.IntRange(0, 1_000_000), help="Generated alerts, for feed tests.")
@click.pass_context
def sandbox(context: click.Context, /, folder: Path, **options: Any) -> None:
    """Run a whole taskforce on this machine until SIGTERM or Ctrl-C, in FOLDER.

    Prints one line of JSON when all is ready: the content of FOLDER/sandbox.json. A second start finds all again.
    """
    if options["threshold"] > options["holders"]:
        raise click.UsageError("--threshold cannot be more than --holders")
    given = [name for name in options if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT]
    running = Sandbox(folder, lambda text: click.echo(text, err=True))
    supervisor = running.supervisor
    supervisor.handle_signals(raising=True)
    try:
        description = running.start(SandboxPlan(**options), chosen=given)
        supervisor.handle_signals(raising=False)
        click.echo(json.dumps(msgspec.to_builtins(description)))
        supervisor.watch()
    except (SandboxError, ProgramNotReadyError) as error:
        raise CommandError("sandbox", str(error)) from error
    except KeyboardInterrupt:
        pass
    finally:
        supervisor.handle_signals(raising=False)
        click.echo("stopping", err=True)
        running.stop()


@click.command(epilog="Example: exchange demo --json")
@reports
def demo() -> Demonstration:
    """Tell the story of the README on generated data, in a temporary sandbox, in under a minute."""
    try:
        as_json = wants_json()
        return run_demonstration(lambda text: click.echo(text, err=as_json))
    except (DemonstrationError, SandboxError, ProgramNotReadyError) as error:
        raise CommandError("demonstration", str(error)) from error
