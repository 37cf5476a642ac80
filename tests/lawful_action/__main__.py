"""From a hit to lawful action, on real lists: `python -m tests.lawful_action [--data FOLDER] [--database-url URL]`.

FOLDER holds members/member_X_….csv and truth/overlaps.csv; without it the lists are generated. The story (story.py) is
told three times, each in a sandbox of its own, by the same banks at the same steps: without agencies' work, with covert
queries and a watch, and with an overt query. All that banks are shown in the first two must be the same but for what is
random by itself (seen.py says what is masked and why); in the third the same comparison must see the difference.

`--database-url postgresql` brings a PostgreSQL of its own; a URL of PostgreSQL names one whose databases may be made
and dropped. Prints one line for each check; exit status 1 if any fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from tests.acceptance import Report, search_for_identifiers
from tests.lawful_action.lists import ASKER, HOLDER, Lists, needles_of, read_lists, write_lists
from tests.lawful_action.moments import database_beside
from tests.lawful_action.seen import Look, differences
from tests.lawful_action.story import AGENCIES, NOTE, HaltedError, Police, Story
from tests.postgresql import postgresql_server
from tests.sandbox_process import Done, RunningSandbox, sandbox_process

USUAL_BANKS = "a,b,c"


@dataclass(frozen=True)
class Processes:
    """The programs of a sandbox."""

    sandbox: RunningSandbox

    def member(self, member: str, *arguments: str) -> Done:
        return self.sandbox.member(member, *arguments)

    def wait(self) -> None:
        time.sleep(1)


def tell_story(lists: Lists, folder: Path, server_url: str | None, report: Report, police: Police) -> Story:
    """One run in a sandbox of its own, afterwards searched for identifiers; what of it was seen."""
    began = time.monotonic()
    url = None if server_url is None else new_database(server_url, f"action_{police.name.lower()}")
    options = ["--banks", ",".join(lists.files), "--agencies", ",".join(AGENCIES)]
    with ExitStack() as stack:
        options += ["--database-url", url] if url else []
        sandbox = stack.enter_context(sandbox_process(folder / "sandbox", *options, seconds=900))
        file_url = f"sqlite:///{sandbox.folder / 'exchange' / 'exchange.db'}"
        database = stack.enter_context(database_beside(url or file_url))
        story = Story(Processes(sandbox), lists, database, folder, report, police, Look(sandbox))
        try:
            story.tell()
        except HaltedError:
            report.check(f"{police.value}: the story comes to its end", False)
    outside = [folder / "sandbox" / name for name in ("exchange", "holders", "logs")]
    search_for_identifiers(outside, lists.files, needles_of(lists, NOTE), report)
    report.check(f"{police.value}: told", True, seconds=round(time.monotonic() - began))
    return story


def new_database(server_url: str, name: str) -> str:
    """An empty database on the server; its URL."""
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def compare(quiet: Story, covert: Story, overt: Story, report: Report) -> None:
    """Banks are shown the same with and without covert work, and the comparison sees what is not covert."""
    for when, seen in quiet.seen.items():
        found = differences(seen, covert.seen.get(when, {}))
        lines = sum(map(len, seen.values()))
        report.check(f"nothing shows {when}", not found, answers=len(seen), lines=lines, differing=found)
        told = differences(seen, overt.seen.get(when, {}))
        wanted = {f"{bank}: GET /{target}" for bank in (ASKER, HOLDER) for target in ("v1/notices", "log/entries")}
        report.check(f"an overt query shows {when}", wanted <= told.keys(), differing=sorted(told))
    report.check("both were looked at", len(quiet.seen) == len(covert.seen) == len(overt.seen) == 2)


def run_checks(lists: Lists, folder: Path, server_url: str | None, data_folders: list[Path]) -> int:
    """All runs on one kind of database, and their comparison; the number of checks that failed."""
    report = Report()
    quiet, covert, overt = (tell_story(lists, folder / police.name, server_url, report, police) for police in Police)
    compare(quiet, covert, overt, report)
    if data_folders:
        search_for_identifiers(data_folders, lists.files, needles_of(lists, NOTE), report)
    print(f"{report.failed} checks failed" if report.failed else "every check holds")  # noqa: T201
    return report.failed


def main() -> int:
    """Exit status 0 when every check holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with members/ and truth/; generated lists if left out")
    parser.add_argument("--banks", default=USUAL_BANKS, help=f"at least three, a and b among them ({USUAL_BANKS})")
    parser.add_argument("--database-url", default=None, help="a PostgreSQL URL, or the word postgresql")
    arguments = parser.parse_args()
    banks = tuple(dict.fromkeys(arguments.banks.split(",")))
    if len(banks) < 3 or not {ASKER, HOLDER} <= set(banks):
        parser.error(f"--banks {arguments.banks}: expected at least three, {ASKER} and {HOLDER} among them")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="action-")))
        lists = read_lists(arguments.data or write_lists(folder / "lists"), banks)
        url, data_folders = arguments.database_url, []
        if url == "postgresql":
            server = stack.enter_context(postgresql_server())
            url, data_folders = server.url(), [server.socket_folder]
        return int(run_checks(lists, folder, url, data_folders) > 0)


if __name__ == "__main__":
    sys.exit(main())
