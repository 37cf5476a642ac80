"""Alerts to set: a usual one, and changes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from alerts.domain.alert import Alert
from schemas.alerts.messages import AlertContent, AlertSource, Audience, CaseStudy, PublishedAccount
from schemas.terms import AlertState

OVERVIEW = """Organised crime groups recruit students through short-video platforms to **receive and forward payments**
for a commission of 5–10%. Accounts opened within the last 90 days are used, mostly through mobile onboarding.

Since March, three members have seen the same pattern across *newly opened* current accounts:

- a first credit of £2,000 to £9,500 from an unrelated personal account,
- onward transfer within **40 minutes**, split over two or three beneficiaries,
- a last leg to a crypto-asset exchange registered abroad.

The guidance of the [National Crime Agency](https://www.nationalcrimeagency.gov.uk/) on money mules applies."""

REQUESTED = """1. Search for accounts that show **three or more** of the red flags since 1 March 2026.
2. Treat account holders under 21 as possibly *unwitting*: record them as such and follow your vulnerability policy.
3. Report suspicion in the usual way; quote `XXJMLXX` and this alert's reference in the report.
4. Tell the issuer through an acknowledgement whether you put this alert to use by **14 December 2026**."""

RED_FLAGS = (
    "Account opened less than 90 days ago by a customer aged 17 to 24 with no salary or student finance credited",
    "First credit above £2,000 leaves the account within an hour",
    "Device or IP address shared with two or more other accounts opened in the same week",
    "Payment references that name “rent”, “loan” or a single emoji, repeated across unrelated payers",
    "Customer cannot say who the payer is when called, or is coached while on the line",
)

CASES = (
    CaseStudy(
        "The flat deposit",
        "A 19-year-old student received **£4,800** from a victim of purchase fraud and was told to keep £300. The rest "
        "went to two accounts at other members within 25 minutes.\n\n> “They said it was a flat deposit for a friend.”",
    ),
    CaseStudy(
        "Three banks, one phone",
        "Accounts at three members were opened from one handset in four days. None of them alone saw more than one "
        "transfer; together they moved £61,000.",
    ),
)

CONTENT = AlertContent(
    title="Student accounts used to move the proceeds of purchase fraud",
    colour="red",
    classification="OFFICIAL-SENSITIVE",
    tlp="AMBER+STRICT",
    conditions="Not to be used as evidence. Do not contact the account holders before your nominated officer decides.",
    theme="money_mules",
    audience=Audience(["jmlit"], []),
    overview=OVERVIEW,
    red_flags=list(RED_FLAGS),
    case_studies=list(CASES),
    requested_action=REQUESTED,
    body="",
    legal_gateway="CCA2013_s7",
    purpose="Prevention and detection of money laundering through recruited account holders.",
    sources=[AlertSource("NECC-2026-0412", "AMBER"), AlertSource("Member reporting, April 2026", "AMBER+STRICT")],
    accounts=[
        PublishedAccount("GB33BUKB20201555555555", "202015", "55555555", "BUKBGB22"),
        PublishedAccount("DE89370400440532013000", "", "", ""),
    ],
    supersedes="",
    review_by=date(2027, 3, 1),
    expires_on=date(2027, 9, 1),
)

ALERT = Alert(
    alert_id="01938f3c-7b1e-7c55-9d3a-0a4c1f6b2d10",
    stix_id="5f0c86cf-9d0f-4a39-b7a5-6d2f3a1c8e77",
    reference="4711-NECC",
    member_id="nca",
    issuer="National Crime Agency",
    state=AlertState.PUBLISHED,
    version=1,
    content=CONTENT,
    created_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    modified_at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
    published_at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)


def alert_with(**changes: Any) -> Alert:
    """The usual alert with another content."""
    return replace(ALERT, content=msgspec.structs.replace(CONTENT, **changes))


def alert_in(state: AlertState, **changes: Any) -> Alert:
    """The usual alert in another state."""
    return replace(ALERT, state=state, version=2, modified_at=datetime(2026, 12, 1, 10, 15, tzinfo=UTC), **changes)
