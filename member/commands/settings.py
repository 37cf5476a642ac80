"""`config`: the defaults that make `submit FILE.csv` alone enough."""

from __future__ import annotations

import click

from member.commands.shared.common import Shown, reporting
from member.commands.shared.session import Session
from member.errors import UsageError, quoted
from member.identity.home import COUNTRY, REJECTED_DAYS
from member.indicators.envelope import CONTACT, MAP, SETTINGS, STATEMENTS, check_setting

_NAMES = (*SETTINGS, *STATEMENTS, CONTACT, COUNTRY, MAP, REJECTED_DAYS)


@click.group(epilog="Example: member config show")
def config() -> None:
    """Defaults of this home: group, legal_gateway, purpose, theme, expires_days and the rest of the envelope."""


@config.command("set", epilog="Example: member config set group taskforce legal_gateway CCA2013_s7 expires_days 365")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME VALUE [NAME VALUE]…")
@click.pass_obj
@reporting
def set_defaults(session: Session, pairs: tuple[str, ...]) -> Shown:
    """Set defaults, as pairs of name and value."""
    if len(pairs) % 2:
        raise UsageError("names and values come in pairs", "member config set NAME VALUE")
    given = dict(zip(pairs[::2], pairs[1::2], strict=True))
    checked = {name: check_setting(name, value) for name, value in given.items()}
    session.home.save(defaults={**session.home.config.defaults, **checked})
    return _show(session)


@config.command("unset", epilog="Example: member config unset map")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.pass_obj
@reporting
def unset_defaults(session: Session, names: tuple[str, ...]) -> Shown:
    """Take defaults back: as if they had never been set."""
    for name in names:
        if name not in _NAMES:
            raise UsageError(f"there is no default called {quoted(name)}", f"known: {', '.join(_NAMES)}")
    kept = {name: value for name, value in session.home.config.defaults.items() if name not in names}
    session.home.save(defaults=kept)
    return _show(session)


@config.command("show", epilog="Example: member config show --json")
@click.pass_obj
@reporting
def show_defaults(session: Session) -> Shown:
    """Show the defaults."""
    return _show(session)


def _show(session: Session) -> Shown:
    held = session.home.config.defaults
    defaults = {name: held[name] for name in _NAMES if name in held}
    text = "\n".join(f"{name:24} {value}" for name, value in defaults.items()) or "no defaults are set"
    return Shown({"defaults": defaults}, text)
