"""What is done about queries: asked by one officer, authorised by another, read, extended, ended.

In order: whoever may not authorise is shown nothing to agree to; the officer agrees to what was read, and the exchange
approves nothing else; each reading is proved by its entry in the own log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path

from keys.statements.keyring import Keyring, UnknownStatementError
from member.errors import AnswerError, MemberError
from member.inputs import InputError, read_day, read_text
from member.log.faults import naming_entry
from member.normalise.circumstances import Circumstances
from member.normalise.rules import RULES
from member.queries.client import OpenedQuery, QueryClient
from member.queries.context import QueriedValue, QueryContext, read_file, read_values
from member.queries.entries import QueryEntries
from member.queries.report import LogProof
from member.queries.shown import ShownHead, ShownQuery, show_head
from member.requests.refusal import Broken, RuleRefusedError
from member.tables.reading import FileRefusedError
from member.workplace.workplace import Workplace
from schemas.queries.messages import MAX_CASE, QueryApplication, QueryStatus
from schemas.terms import Role
from schemas.values.message import MAX_SHORT

Agree = Callable[[OpenedQuery], None]
"""Shows a query to its officer; raises unless the officer agrees."""


def read_subjects(
    indicator_type: str | None, values: tuple[str, ...], file: Path | None, circumstances: Circumstances
) -> list[QueriedValue]:
    """What a query asks about: values of one type, or those of a file. Raises InputError, MemberError."""
    if (file is None) == (not values):
        raise InputError("values", "say what to ask about in one way", "values and their type, or one file")
    if file is None:
        if indicator_type is None:
            raise InputError(
                "indicator_type", "it is missing: what are the values?", f"one of: {', '.join(sorted(RULES))}"
            )
        return read_values(indicator_type, values, circumstances)
    if indicator_type is not None:
        raise InputError("indicator_type", "a file says the type of each of its values", "leave it out")
    try:
        return read_file(file, circumstances)
    except FileRefusedError as error:
        raise MemberError(f"{file.name}: {error.found}", error.wanted, slug="file_refused") from error


def read_application(
    workplace: Workplace, given: Mapping[str, str | None], *, covert: bool, silent: bool
) -> QueryApplication:
    """On what a query is to stand: `given` names case, purpose, necessity, proportionality (by default the home's),
    legal_gateway, authorised_by (an officer's name or id), until and watch (days). Raises InputError.
    """
    defaults, home = workplace.home.config.defaults, workplace.home
    said = {name: given[name] or defaults.get(name, "") for name in ("necessity", "proportionality")}
    required = {"purpose": given["purpose"], **said}
    texts = {name: read_text(name, text or "", MAX_SHORT) for name, text in required.items()}
    officer = given["authorised_by"] or ""
    until, watch = given["until"], given["watch"]
    return QueryApplication(
        case=read_text("case", given["case"] or "", MAX_CASE),
        purpose=texts["purpose"],
        necessity=texts["necessity"] or None,
        proportionality=texts["proportionality"] or None,
        legal_gateway=given["legal_gateway"] or "",
        authorised_by=officer if "/" in officer else f"{home.member_id}/{officer}",
        covert=covert,
        silent=silent,
        until=None if until is None else read_day("until", until),
        watch_until=None if watch is None else read_day("watch", watch),
    )


def approve(workplace: Workplace, query_id: str, agree: Agree) -> OpenedQuery:
    """Authorise a query that names the acting officer, who agrees to what was read. Raises MemberError for whoever is
    no authoriser, before anything is shown, and RuleRefusedError for another's query.
    """
    check_authorises(workplace)
    acting = workplace.identity.key_id

    def agree_as_named(read: OpenedQuery) -> None:
        if read.query.authorised_by != acting:
            decides = Broken("not-its-authoriser", "query_id", f"{read.query.authorised_by} decides on it")
            raise RuleRefusedError("nothing was approved", [decides])
        agree(read)

    return QueryContext.at(workplace).approve(query_id, QueryClient.at(workplace), agree_as_named)


def check_authorises(workplace: Workplace) -> None:
    """MemberError unless the acting representative is an authoriser, before it is shown anything to agree to."""
    _, person = workplace.keyring.representative(workplace.identity.key_id)
    if Role.AUTHORISER not in person.roles:
        required = [Role.AUTHORISER.value]
        problem = {"reason": "role", "roles": required}
        raise MemberError(f"This requires a role of: {required[0]}.", slug="forbidden", problem=problem)


def list_queries(workplace: Workplace, state: str | None, case: str | None) -> list[ShownHead]:
    """The queries of this agency in a state, or of a case; None is any."""
    chosen = None if case is None else case.strip()
    found = QueryClient.at(workplace).queries(state)
    return [show_head(workplace.vault, one) for one in found if chosen in (None, one.grounds.case.strip())]


def as_shown(workplace: Workplace, read: OpenedQuery) -> ShownQuery:
    """A query that was read, with values in the place of tokens and the institutions' names."""
    return QueryContext.at(workplace).show(read, lambda member_ids: _names_of(workplace.keyring, member_ids))


def prove_reading(workplace: Workplace, read: OpenedQuery) -> LogProof:
    """What of a reading stands in the log. MemberError naming the entry for a fault."""
    origin = workplace.log_origin(workplace.keyring)
    with naming_entry():
        number = QueryEntries(workplace.own_log(origin)).number_of(read.query.event_id)
    return LogProof(read.query.event_id, number, read.terms_sha256, read.results_sha256, origin)


def extend(workplace: Workplace, text: str, *, until: str | None, watch: str | None, reason: str) -> QueryStatus:
    """Let a query and its cover, or its watch, last until later days; `text` says which query. Raises InputError."""
    if until is None and watch is None:
        raise InputError("until", "say what is to last longer", "its last day, the last day of its watch, or both")
    said = read_text("reason", reason, MAX_SHORT)
    longer = None if watch is None else read_day("watch", watch)
    found, client = workplace.find_id("query", text), QueryClient.at(workplace)
    last = _shown_day(client.read(found).query.until) if until is None else read_day("until", until)
    return client.extend(found, last, longer, said)


def _names_of(keyring: Keyring, member_ids: Iterable[str]) -> dict[str, str]:
    """What the registrars call the institutions; one that they never signed has no name."""
    names = {}
    for member_id in sorted(set(member_ids)):
        try:
            names[member_id] = keyring.member(member_id).name
        except UnknownStatementError:
            continue
    return names


def _shown_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise AnswerError("the exchange showed a query whose last day is not a valid date") from None
