"""What a person may do next, as commands to be pasted into a shell."""

from __future__ import annotations

from collections.abc import Mapping

from member.errors import MemberError
from member.next_steps import Act, Next

COMMANDS: Mapping[Act, str] = {
    Act.MAKE_HOME: "--home {home} init --member-id {member_id}",
    Act.MAKE_REGISTRAR: "--home {home} registrar init {registrar_id}",
    Act.CONNECT_REGISTRAR: "registrar connect",
    Act.JOIN: "join {code}",
    Act.SHOW_STATUS: "status",
    Act.LIST_NOTICES: "notices --all",
    Act.LIST_REPRESENTATIVES: "representative list",
    Act.ADD_REPRESENTATIVE: "representative add {name}",
    Act.ASK_TO_BE_LET_IN: "--home {home} --as {name} init --member-id {member_id} --vault {vault}",
    Act.LIST_ROWS: "rows",
    Act.WITHDRAW: "withdraw --help",
    Act.LIST_HITS: "hits",
    Act.LIST_GATEWAYS: "request gateways",
    Act.DRAFT_NOTICE: "request notice {hit_id}",
    Act.LIST_REQUESTS: "request list",
    Act.SHOW_REQUEST: "request show {request_id}",
    Act.TAKE_UP_REQUEST: "--as {officer} request take-up {request_id}",
    Act.ANSWER_REQUEST: "--as {officer} request answer {request_id} --full",
    Act.REFUSE_REQUEST: "--as {officer} request refuse {request_id} --reason {reason}",
    Act.PREPARE_ANSWER: "request prepare {request_id}",
    Act.SEND_PREPARED: "request answer {request_id} --prepared",
    Act.LIST_QUERIES: "query list",
    Act.SHOW_QUERY: "query show {query_id}",
    Act.LIST_CORRECTIONS: "corrections list",
    Act.LIST_OUTCOMES: "outcome list --received",
    Act.LIST_ALERTS: "alert list",
    Act.READ_ALERT: "alert read {reference}",
    Act.LIST_RESPONSES: "alert responses {reference}",
    Act.SHOW_ALERT_TEMPLATE: "alert template",
    Act.LIST_SUBSCRIPTIONS: "subscription list",
    Act.LIST_FEED_TOKENS: "feed list",
    Act.LIST_LOG: "log entries",
    Act.ACCEPT_ORIGIN: "log accept-origin {origin}",
    Act.LIST_HOLDER_FAULTS: "holder-fault list",
    Act.EXPORT_HOLDER_FAULT: "holder-fault export",
    Act.REPORT_HOLDER_FAULT: "holder-fault report",
    Act.SIGN_STATEMENTS: "registrar sign",
    Act.LIST_PROPOSALS: "registrar pending",
    Act.EXPORT_PROPOSALS: "registrar export",
    Act.DELIVER_STATEMENTS: "registrar deliver",
    Act.RESTART_UPLOAD: "submit {file} --restart",
    Act.RELIST_ROWS: "submit {file} --relist 'why they are listed again'",
    Act.SET_DEFAULT: "config set {name} {value}",
}
"""How each act is done; in braces what it is about, by the names of `Next.about`."""

_UNKNOWN = {"home": "DIR", "file": "FILE", "value": "…", "code": "CODE", "name": "NAME", "officer": "…", "reason": "…"}
"""What stands for something that is not known; an id else."""


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return _UNKNOWN.get(name, "ID")


def command_of(step: Next) -> str:
    """The command, with what is not known left to be filled in."""
    return f"member {COMMANDS[step.act].format_map(_Known(step.about))}"


def hint_of(error: MemberError) -> str | None:
    """What to do about an error, and the commands that do it."""
    commands = ", ".join(map(command_of, error.then))
    if not commands:
        return error.hint
    return commands if error.hint is None else f"{error.hint}: {commands}"
