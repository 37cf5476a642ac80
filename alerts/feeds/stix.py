"""An alert as STIX 2.1 objects: one report, an attack-pattern for each red flag, a bank-account for each account that
its author named. Tokens of indicators never come here: an alert has none.

Every `description` is Markdown (CommonMark without HTML); what the author wrote as plain text is escaped in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from alerts.domain.alert import TAKEN_BACK, Alert
from alerts.feeds import extensions
from alerts.feeds.fixed_objects import GATEWAY_MARKINGS, TLP_MARKINGS
from alerts.feeds.stix_shapes import (
    AccountExtension,
    AlertExtension,
    AttackPattern,
    BankAccount,
    ExternalReference,
    KillChainPhase,
    NewObservable,
    StixReport,
)
from alerts.feeds.wording import title_of
from schemas.alerts.messages import PublishedAccount
from schemas.terms import AlertState, LegalGateway, Theme, TrafficLight
from schemas.values.encoding import to_rfc3339

AlertObject = StixReport | AttackPattern | BankAccount

KILL_CHAIN = "money-laundering"
SOURCE_NAME = "JMLIT alert"
_PLACEMENT, _LAYERING, _INTEGRATION = "placement", "layering", "integration"

PHASES: Mapping[Theme, tuple[str, ...]] = {
    Theme.BRIBERY_AND_CORRUPTION: (_LAYERING, _INTEGRATION),
    Theme.TRADE_BASED_MONEY_LAUNDERING: (_LAYERING,),
    Theme.HUMAN_TRAFFICKING: (_PLACEMENT,),
    Theme.ORGANISED_IMMIGRATION_CRIME: (_PLACEMENT,),
    Theme.MONEY_LAUNDERING_THROUGH_MARKETS: (_LAYERING, _INTEGRATION),
    Theme.FRAUD: (_PLACEMENT,),
    Theme.MONEY_MULES: (_PLACEMENT, _LAYERING),
    Theme.SANCTIONS_EVASION: (_LAYERING,),
    Theme.RANSOMWARE: (_PLACEMENT, _LAYERING),
    Theme.CRYPTO_ASSETS: (_LAYERING,),
    Theme.DRUGS: (_PLACEMENT,),
    Theme.TAX_EVASION: (_LAYERING, _INTEGRATION),
}
"""Where in the three-stage model of laundering (FATF) the red flags of a theme are usually seen. The model does not fit
the other themes: terrorist finance, for one, need not launder anything.
"""

_LONGEST_NAME = 120
_MARKDOWN = re.compile(r"([\\`*_\[\]<>&~|#])")


def parts_of(alert: Alert) -> list[str]:
    """Names of the parts of an alert that have ids of their own beside the report."""
    flags = [f"red-flag/{number}" for number in range(len(alert.content.red_flags))]
    return flags + [f"account/{number}" for number in range(len(alert.content.accounts))]


def make_objects(alert: Alert, ids: Mapping[str, str], taskforce_id: str) -> list[AlertObject]:
    """The objects of a readable alert at its present version, what is referred to first. `ids` gives a UUID for each
    of `parts_of`.
    """
    content = alert.content
    markings = [TLP_MARKINGS[TrafficLight(content.tlp)], GATEWAY_MARKINGS[LegalGateway(content.legal_gateway)]]
    objects: list[AlertObject] = [
        _attack_pattern(alert, text, ids[f"red-flag/{number}"], taskforce_id, markings)
        for number, text in enumerate(content.red_flags)
    ]
    objects += [
        _bank_account(account, ids[f"account/{number}"], markings) for number, account in enumerate(content.accounts)
    ]
    objects.append(_report(alert, [taskforce_id, *(one.id for one in objects)], taskforce_id, markings))
    return [take_back(one, alert) for one in objects] if alert.state is AlertState.WITHDRAWN else objects


def take_back(one: AlertObject, alert: Alert) -> AlertObject:
    """The same version of an object of a withdrawn alert, without what it said: its ids, times, references, markings
    and codes are left.
    """
    match one:
        case StixReport():
            extension = msgspec.structs.replace(one.extensions[extensions.ALERT], purpose=TAKEN_BACK, supersedes="")
            return msgspec.structs.replace(
                one, name=title_of(alert), description=TAKEN_BACK, extensions={extensions.ALERT: extension}
            )
        case AttackPattern():
            return msgspec.structs.replace(one, name="Withdrawn", description=TAKEN_BACK, kill_chain_phases=[])
        case BankAccount():
            withdrawn = {extensions.ACCOUNT: AccountExtension(withdrawn=True)}
            return msgspec.structs.replace(
                one, iban="", bic="", account_number="", extensions={**one.extensions, **withdrawn}
            )


def _report(alert: Alert, object_refs: list[str], taskforce_id: str, markings: list[str]) -> StixReport:
    content, published = alert.content, _published(alert)
    return StixReport(
        spec_version="2.1",
        id=f"report--{alert.stix_id}",
        created_by_ref=taskforce_id,
        created=published,
        modified=_modified(alert),
        name=content.title,
        description=_describe(alert),
        report_types=["threat-report"],
        published=published,
        object_refs=object_refs,
        labels=[f"colour:{content.colour}", f"theme:{content.theme}", f"state:{alert.state.value}"],
        external_references=[ExternalReference(source_name=SOURCE_NAME, external_id=alert.reference)],
        object_marking_refs=markings,
        extensions={extensions.ALERT: _extension(alert)},
        revoked=alert.state is AlertState.WITHDRAWN,
    )


def _extension(alert: Alert) -> AlertExtension:
    content = alert.content
    return AlertExtension(
        reference=alert.reference,
        issuer=alert.issuer,
        state=alert.state.value,
        colour=content.colour,
        theme=content.theme,
        classification=content.classification,
        legal_gateway=content.legal_gateway,
        purpose=content.purpose,
        review_by=content.review_by.isoformat(),
        expires_on=content.expires_on.isoformat(),
        conditions=content.conditions,
        supersedes=content.supersedes,
        superseded_by=alert.superseded_by,
        withdrawal_reason=alert.reason,
    )


def _attack_pattern(alert: Alert, text: str, part_id: str, taskforce_id: str, markings: list[str]) -> AttackPattern:
    phases = PHASES.get(Theme(alert.content.theme), ())
    return AttackPattern(
        spec_version="2.1",
        id=f"attack-pattern--{part_id}",
        created_by_ref=taskforce_id,
        created=_published(alert),
        modified=_modified(alert),
        name=_shorten(text),
        description=_escape(text),
        kill_chain_phases=[KillChainPhase(kill_chain_name=KILL_CHAIN, phase_name=phase) for phase in phases],
        object_marking_refs=markings,
        revoked=alert.state is AlertState.WITHDRAWN,
    )


def _bank_account(account: PublishedAccount, part_id: str, markings: list[str]) -> BankAccount:
    own = {extensions.ACCOUNT: AccountExtension(sort_code=account.sort_code)}
    added = own if account.sort_code else {}
    return BankAccount(
        spec_version="2.1",
        id=f"bank-account--{part_id}",
        iban=account.iban,
        bic=account.bic,
        account_number=account.account_number,
        object_marking_refs=markings,
        extensions={extensions.BANK_ACCOUNT: NewObservable(), **added},
    )


def _published(alert: Alert) -> str:
    if alert.published_at is None:
        raise ValueError("an alert that was never published has no objects")
    return to_rfc3339(alert.published_at)


def _modified(alert: Alert) -> str:
    return max(_published(alert), to_rfc3339(alert.modified_at))


def _describe(alert: Alert) -> str:
    """The whole text of an alert but for its red flags, which are objects of their own."""
    content = alert.content
    parts = [content.overview]
    if content.requested_action:
        parts += ["## Requested action", content.requested_action]
    for study in content.case_studies:
        parts += [f"## Case study: {_escape(study.title)}", study.text]
    if content.body:
        parts += ["## Further information", content.body]
    return "\n\n".join(parts)


def _shorten(text: str) -> str:
    """On one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST_NAME:
        return line
    return line[:_LONGEST_NAME].rsplit(" ", 1)[0] + " …"


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)
