"""What must hold before the exchange serves or works: reported at the start, by name, with the cure."""

from __future__ import annotations

from exchange.configuration.settings import Settings
from exchange.kernel.session import Database
from exchange.log.head_file import LogRestoredError
from exchange.operations.restore import LogState, compare_with_head
from migrations.upgrade import check_current

WHAT_TO_DO = {
    LogState.CONTINUES: "The log goes on where it stood.",
    LogState.BEHIND: (
        "Entries that were signed after this backup are missing from the log; it is not signed again as it is. "
        "Restore a newer backup, or start the log under a new origin: `exchange log new-origin`."
    ),
    LogState.FORKED: (
        "The log has another history than the last signed head, and is not signed as it is. Restore the backup that "
        "belongs to the head, or start the log under a new origin: `exchange log new-origin`."
    ),
    LogState.NO_HEAD: (
        "The file with the last signed head is missing, so that nobody can tell whether entries were lost. Put it "
        "back, or start the log under a new origin: `exchange log new-origin`."
    ),
}


def check_start(settings: Settings, database: Database) -> None:
    """Raise DatabaseUnfitError unless the tables are this version's, and LogRestoredError or LogRefusedError unless
    the log continues its last signed head: with a log that is not signed, nothing may be disclosed.
    """
    check_current(database)
    with database.reading() as session:
        state, head_size = compare_with_head(session, settings)
    if state is not LogState.CONTINUES:
        size = "" if head_size is None else f" The last signed head has {head_size} leaves."
        raise LogRestoredError(WHAT_TO_DO[state] + size)
