"""The notice that some gateways require before a request: drafted at home from the gateway's template, since whom it is
about is not for the exchange to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from member.requests.asking import RequestContext, own_token
from member.requests.refusal import Broken, RuleRefusedError
from schemas.values.identifiers import uuid7

_OPEN = "……………………"


@dataclass(frozen=True)
class DraftedNotice:
    """A notice to look over and send. The request that follows it will bear `request_id`."""

    request_id: str
    addressee: str
    text: str


def draft_notice(context: RequestContext, hit_id: str, legal_gateway: str, said: Mapping[str, str]) -> DraftedNotice:
    """The notice for a request about one of our hits; what was not said is left open. RuleRefusedError for a gateway
    that requires none.
    """
    own_token(context, hit_id)
    gateway = context.client.gateways().get(legal_gateway)
    rule = None if gateway is None else gateway.prior_notice
    if rule is None:
        raise RuleRefusedError(
            "nothing to draft", [Broken("no-notice", "legal_gateway", "it requires no prior notice")]
        )
    noticed_id = context.records.noticed_id(hit_id, legal_gateway)
    is_used = noticed_id is not None and context.records.asked(noticed_id) is not None
    request_id = uuid7() if noticed_id is None or is_used else noticed_id
    filled = {
        **{name: said.get(name, "").strip() or _OPEN for name in rule.placeholders},
        "requester": context.keyring.member(context.member_id).name,
        "request_id": request_id,
        "date": context.clock().date().isoformat(),
    }
    text = rule.template
    for name in rule.placeholders:
        text = text.replace(f"{{{name}}}", filled[name])
    context.records.keep_notice(hit_id, legal_gateway, request_id)
    return DraftedNotice(request_id, rule.addressee, text)
