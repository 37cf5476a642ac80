"""What a person may do next, as data: a terminal shows a command, a page a link. Ids and names go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Act(StrEnum):
    """Something that a person of a member does."""

    MAKE_HOME = "make_home"
    MAKE_REGISTRAR = "make_registrar"
    CONNECT_REGISTRAR = "connect_registrar"
    JOIN = "join"
    SHOW_STATUS = "show_status"
    LIST_NOTICES = "list_notices"
    LIST_REPRESENTATIVES = "list_representatives"
    ADD_REPRESENTATIVE = "add_representative"
    ASK_TO_BE_LET_IN = "ask_to_be_let_in"
    LIST_ROWS = "list_rows"
    WITHDRAW = "withdraw"
    LIST_HITS = "list_hits"
    LIST_GATEWAYS = "list_gateways"
    DRAFT_NOTICE = "draft_notice"
    LIST_REQUESTS = "list_requests"
    SHOW_REQUEST = "show_request"
    TAKE_UP_REQUEST = "take_up_request"
    ANSWER_REQUEST = "answer_request"
    REFUSE_REQUEST = "refuse_request"
    PREPARE_ANSWER = "prepare_answer"
    SEND_PREPARED = "send_prepared"
    LIST_QUERIES = "list_queries"
    SHOW_QUERY = "show_query"
    LIST_CORRECTIONS = "list_corrections"
    LIST_OUTCOMES = "list_outcomes"
    LIST_ALERTS = "list_alerts"
    READ_ALERT = "read_alert"
    LIST_RESPONSES = "list_responses"
    SHOW_ALERT_TEMPLATE = "show_alert_template"
    LIST_SUBSCRIPTIONS = "list_subscriptions"
    LIST_FEED_TOKENS = "list_feed_tokens"
    LIST_LOG = "list_log"
    ACCEPT_ORIGIN = "accept_origin"
    LIST_HOLDER_FAULTS = "list_holder_faults"
    EXPORT_HOLDER_FAULT = "export_holder_fault"
    REPORT_HOLDER_FAULT = "report_holder_fault"
    SIGN_STATEMENTS = "sign_statements"
    LIST_PROPOSALS = "list_proposals"
    EXPORT_PROPOSALS = "export_proposals"
    DELIVER_STATEMENTS = "deliver_statements"
    RESTART_UPLOAD = "restart_upload"
    RELIST_ROWS = "relist_rows"
    SET_DEFAULT = "set_default"


@dataclass(frozen=True)
class Next:
    """An act, and what it is about by name: `request_id`, `name` … Some of it may be missing."""

    act: Act
    about: Mapping[str, str] = field(default_factory=dict)


Steps = Next | Sequence[Next]
