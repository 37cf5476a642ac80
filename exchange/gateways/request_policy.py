"""What the taskforce's policy says of information requests: the gateways' rules, and the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exchange.gateways.legal_gateway import find_rule, notice_in
from exchange.gateways.rules import RULES, GatewayRules
from exchange.kernel.limits import GRACE_MINUTES, IMMEDIATE_MINUTES
from schemas.requests.messages import RequestTerms
from schemas.terms import Urgency

_HOUR = 60
_MINUTES = {Urgency.DAY: 24 * _HOUR, Urgency.TWO_DAYS: 48 * _HOUR, Urgency.TWO_WEEKS: 14 * 24 * _HOUR}


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """The gateways' rules, how soon `immediate` is, and how long after its time a request can still be answered."""

    rules: GatewayRules = field(default_factory=lambda: RULES)
    immediate_minutes: int = IMMEDIATE_MINUTES
    grace_minutes: int = GRACE_MINUTES

    @property
    def urgency_minutes(self) -> dict[Urgency, int]:
        """How many minutes each urgency gives a holder."""
        return {Urgency.IMMEDIATE: self.immediate_minutes, **_MINUTES}

    def due_at(self, terms: RequestTerms, now: datetime) -> datetime:
        """When an answer to a request with these terms is due: at the latest when the notice that it names lapses."""
        return self._cut(terms, now + timedelta(minutes=self.urgency_minutes[Urgency(terms.urgency)]))

    def lapses_at(self, terms: RequestTerms, due_at: datetime) -> datetime:
        """From when on nobody answers any more."""
        return self._cut(terms, due_at + timedelta(minutes=self.grace_minutes))

    def _cut(self, terms: RequestTerms, moment: datetime) -> datetime:
        rule, given = find_rule(terms.legal_gateway, self.rules), notice_in(terms)
        if rule is None or rule.notice is None or given is None:
            return moment
        return min(moment, given.given_at + timedelta(days=rule.notice.within_days))
