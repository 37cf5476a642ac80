"""Every code list of the exchange, with its source. Standard library only.

Sources are named by the marks of docs/glossary.md. A code is added here and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum


class IndicatorType(StrEnum):
    """What an indicator identifies; the normalisation rules n1 give each its canonical form."""

    BANK_ACCOUNT = "bank_account"
    IBAN = "iban"
    WALLET = "wallet"
    PHONE = "phone"
    EMAIL = "email"
    DOMAIN = "domain"
    COMPANY_NUMBER = "company_number"
    LEI = "lei"
    PERSON = "person"


class MemberKind(StrEnum):
    """Who may take part."""

    FINANCIAL_INSTITUTION = "financial_institution"
    LAW_ENFORCEMENT = "law_enforcement"
    REGULATOR = "regulator"
    FRAUD_PREVENTION_SERVICE = "fraud_prevention_service"
    TELECOM = "telecom"
    PLATFORM = "platform"


class Sector(StrEnum):
    """The part of the economy a member belongs to; shown in a hit only where three members of the group share it."""

    BANKING = "banking"
    BUILDING_SOCIETY = "building_society"
    PAYMENTS = "payments"
    CRYPTO_ASSETS = "crypto_assets"
    INVESTMENT = "investment"
    INSURANCE = "insurance"
    LAW_ENFORCEMENT = "law_enforcement"
    REGULATION = "regulation"
    FRAUD_PREVENTION = "fraud_prevention"
    TELECOMMUNICATIONS = "telecommunications"
    ONLINE_PLATFORM = "online_platform"


class Role(StrEnum):
    """What a representative may do."""

    SUBMITTER = "submitter"
    INVESTIGATOR = "investigator"
    AUTHORISER = "authoriser"
    AUTHOR = "author"
    RELEASER = "releaser"
    REVIEWER = "reviewer"
    REGISTRAR = "registrar"
    OPERATOR = "operator"


class GroupKind(StrEnum):
    """Sharing groups: the whole taskforce, standing threat groups, time-limited cells."""

    TASKFORCE = "taskforce"
    THREAT_GROUP = "threat_group"
    CELL = "cell"


class Theme(StrEnum):
    """The threat a submission is about (JMLIT's standing priorities and those of the UK national risk assessment)."""

    BRIBERY_AND_CORRUPTION = "bribery_and_corruption"
    TRADE_BASED_MONEY_LAUNDERING = "trade_based_money_laundering"
    TERRORIST_FINANCE = "terrorist_finance"
    HUMAN_TRAFFICKING = "human_trafficking"
    ORGANISED_IMMIGRATION_CRIME = "organised_immigration_crime"
    MONEY_LAUNDERING_THROUGH_MARKETS = "money_laundering_through_markets"
    FUTURE_THREATS = "future_threats"
    FRAUD = "fraud"
    MONEY_MULES = "money_mules"
    SANCTIONS_EVASION = "sanctions_evasion"
    RANSOMWARE = "ransomware"
    CRYPTO_ASSETS = "crypto_assets"
    DRUGS = "drugs"
    TAX_EVASION = "tax_evasion"
    CHILD_SEXUAL_EXPLOITATION = "child_sexual_exploitation"
    OTHER = "other"


class CaseType(StrEnum):
    """Case types of the UK fraud marker database (Cifas)."""

    IDENTITY_FRAUD = "identity_fraud"
    FACILITY_TAKEOVER = "facility_takeover"
    MISUSE_OF_FACILITY = "misuse_of_facility"
    MONEY_MULE = "money_mule"
    FALSE_APPLICATION = "false_application"
    ASSET_CONVERSION = "asset_conversion"
    FALSE_INSURANCE_CLAIM = "false_insurance_claim"


class SubjectRole(StrEnum):
    """What part the subject plays; victims and unwitting mules are marked as such."""

    SUSPECT = "suspect"
    MULE_WITTING = "mule_witting"
    MULE_UNWITTING = "mule_unwitting"
    VICTIM = "victim"
    COUNTERPARTY = "counterparty"


class EvidenceStandard(StrEnum):
    """How strong the ground is on which a row was submitted."""

    SUSPICION = "suspicion"
    REASONABLE_GROUNDS = "reasonable_grounds"
    CLEAR_RELEVANT_RIGOROUS = "clear_relevant_rigorous"
    CONVICTION = "conviction"


class SourceEvaluation(StrEnum):
    """First figure of the 3x5x2 intelligence grading: reliable, untested, not reliable."""

    RELIABLE = "1"
    UNTESTED = "2"
    NOT_RELIABLE = "3"


class IntelligenceAssessment(StrEnum):
    """Second figure of 3x5x2: known directly; indirectly but corroborated; indirectly; not known; suspected false."""

    KNOWN_DIRECTLY = "A"
    INDIRECT_CORROBORATED = "B"
    INDIRECT = "C"
    NOT_KNOWN = "D"
    SUSPECTED_FALSE = "E"


class Handling(StrEnum):
    """Third figure of 3x5x2: lawful sharing permitted, or permitted with conditions."""

    PERMITTED = "P"
    CONDITIONS = "C"


class Classification(StrEnum):
    """UK Government Security Classifications."""

    OFFICIAL = "OFFICIAL"
    OFFICIAL_SENSITIVE = "OFFICIAL-SENSITIVE"
    SECRET = "SECRET"  # noqa: S105
    TOP_SECRET = "TOP_SECRET"  # noqa: S105


class TrafficLight(StrEnum):
    """Traffic Light Protocol 2.0 (FIRST)."""

    RED = "RED"
    AMBER_STRICT = "AMBER+STRICT"
    AMBER = "AMBER"
    GREEN = "GREEN"
    CLEAR = "CLEAR"


class LegalGateway(StrEnum):
    """The statutory ground for a disclosure; exchange.gateways.legal_gateway holds the rules of each."""

    CCA2013_S7 = "CCA2013_s7"
    POCA2002_S339ZB = "POCA2002_s339ZB"
    TACT2000_S21CA = "TACT2000_s21CA"
    ECCTA2023_S188 = "ECCTA2023_s188"
    ECCTA2023_S189 = "ECCTA2023_s189"
    SCA2007_S68 = "SCA2007_s68"
    DPA2018_SCH2 = "DPA2018_Sch2"


class GatewayCondition(StrEnum):
    """The two conditions of ECCTA 2023 s188: the disclosure was asked for, or it warns of what the discloser did."""

    REQUEST = "request"
    WARNING = "warning"


class RequestMode(StrEnum):
    """What an information request is for (COSMIC): ask, offer, or warn."""

    REQUEST = "request"
    PROVIDE = "provide"
    ALERT = "alert"


class Urgency(StrEnum):
    """How soon an answer is requested; settings say how many minutes each is."""

    IMMEDIATE = "immediate"
    DAY = "24h"
    TWO_DAYS = "48h"
    TWO_WEEKS = "14d"


class RequestField(StrEnum):
    """What can be asked for of a holder's row."""

    LOCAL_REFERENCE = "local_reference"
    REASON = "reason"
    FIRST_SEEN = "first_seen"
    LAST_SEEN = "last_seen"
    SUBJECT_ROLE = "subject_role"
    CONTACT = "contact"
    NARRATIVE = "narrative"
    OTHER_COLUMNS = "other_columns"


OFFERS = frozenset({RequestMode.PROVIDE, RequestMode.ALERT})
"""Modes in which the sender tells the holders."""

WARNING_FIELDS = frozenset(
    {
        RequestField.REASON,
        RequestField.SUBJECT_ROLE,
        RequestField.FIRST_SEEN,
        RequestField.LAST_SEEN,
        RequestField.CONTACT,
    }
)
"""What an alert tells: why, whom about, since when, and whom to ask."""


class Direction(StrEnum):
    """Whether a request came to the reading member or is its own."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class RequestState(StrEnum):
    """The life of a request. Its sender sees `answered` from the first answer on (others may still answer until it
    lapses), and never `taken_up`; a holder sees its own part's life.
    """

    OPEN = "open"
    TAKEN_UP = "taken_up"
    ANSWERED = "answered"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class FourEyes(StrEnum):
    """What of a member is done by two people, by its own statement: one prepares, another sends."""

    ANSWERS = "answers"


class RequestOutcome(StrEnum):
    """What a holder answers."""

    FULL = "full"
    PARTIAL = "partial"
    NO_TRACE = "no_trace"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    """Why a holder refuses. There is no code for tipping off or a running investigation: it would give away what it is
    there to protect.
    """

    GATEWAY_NOT_MET = "gateway_not_met"
    NOT_NECESSARY = "not_necessary"
    NOT_PROPORTIONATE = "not_proportionate"
    PROOF_NOT_VALID = "proof_not_valid"
    OUT_OF_SCOPE = "out_of_scope"
    PRIVILEGED_MATERIAL = "privileged_material"
    CONSENT_OF_OWNER = "consent_of_owner"
    POLICY = "policy"


class QueryState(StrEnum):
    """The life of a law-enforcement query: `lapsed` was never approved in time, `ended` is past its authority."""

    PENDING = "pending"
    ANSWERED = "answered"
    REFUSED = "refused"
    LAPSED = "lapsed"
    ENDED = "ended"


class HitStage(StrEnum):
    """How much of an overlap has been revealed."""

    HIT = "hit"
    REQUEST = "request"
    RESPONSE = "response"
    DISSEMINATION = "dissemination"


class WithdrawalReason(StrEnum):
    """Why a row is taken back. It is disclosed to recipients."""

    FALSE_POSITIVE = "false_positive"
    CLEARED = "cleared"
    ERROR = "error"
    COURT_ORDER = "court_order"


class CorrectionState(StrEnum):
    """Whether a recipient has acknowledged a correction."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"


class CorrectionKind(StrEnum):
    """What a recipient had received that rested on a row taken back; the object is the hit, the request or the query
    by which it was disclosed.
    """

    HIT = "hit"
    REQUEST = "request"
    RESPONSE = "response"
    QUERY = "query"
    WATCH = "watch"


class OutcomeObject(StrEnum):
    """What an outcome is about: something that was disclosed to its recorder."""

    HIT = "hit"
    REQUEST = "request"
    QUERY = "query"


class Usefulness(StrEnum):
    """What intelligence was worth to who got it."""

    DECISIVE = "decisive"
    USEFUL = "useful"
    KNOWN_ALREADY = "known_already"
    NOT_USEFUL = "not_useful"


class InternalInvestigation(StrEnum):
    """What an institution's own investigation came to (JMLIT counts them)."""

    OPENED = "opened"
    CLOSED = "closed"
    NONE = "none"


class AccountAction(StrEnum):
    """What was done with an account; `keep_open_requested` is law enforcement's wish that it stays open."""

    NONE = "none"
    MONITOR = "monitor"
    RESTRICT = "restrict"
    FREEZE = "freeze"
    EXIT = "exit"
    KEEP_OPEN_REQUESTED = "keep_open_requested"


class DisruptionLevel(StrEnum):
    """How far serious crime was disrupted (APMIS)."""

    MAJOR = "major"
    MODERATE = "moderate"
    MINOR = "minor"


class CrimeOutcome(StrEnum):
    """How a recorded crime ended: the numbers of the crime outcomes framework (Home Office Crime Recording Rules;
    "Crime outcomes in England and Wales").
    """

    CHARGED = "1"
    YOUTH_CAUTION = "2"
    ADULT_CAUTION = "3"
    TAKEN_INTO_CONSIDERATION = "4"
    OFFENDER_DIED = "5"
    PENALTY_NOTICE = "6"
    CANNABIS_WARNING = "7"
    COMMUNITY_RESOLUTION = "8"
    NOT_IN_PUBLIC_INTEREST_CPS = "9"
    NOT_IN_PUBLIC_INTEREST_POLICE = "10"
    SUSPECT_UNDER_AGE = "11"
    SUSPECT_TOO_ILL = "12"
    VICTIM_OR_WITNESS_DEAD_OR_TOO_ILL = "13"
    VICTIM_DECLINES_NO_SUSPECT = "14"
    EVIDENTIAL_DIFFICULTIES_VICTIM_SUPPORTS = "15"
    VICTIM_DECLINES_SUSPECT_KNOWN = "16"
    TIME_LIMIT_EXPIRED = "17"
    NO_SUSPECT_IDENTIFIED = "18"
    FILED_BY_NFIB = "19"
    OTHER_BODY_INVESTIGATES = "20"
    FURTHER_INVESTIGATION_NOT_IN_PUBLIC_INTEREST = "21"
    DIVERSION = "22"


class AlertColour(StrEnum):
    """How pressing an alert is: red for a specific or immediate threat, amber for what complements existing knowledge,
    green for background.
    """

    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class AlertState(StrEnum):
    """The life of an alert. Readers see it from `published` on; what was published is never unsaid, but marked."""

    DRAFT = "draft"
    REVIEWED = "reviewed"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class PushChannel(StrEnum):
    """How a subscription is served."""

    WEBHOOK = "webhook"
    MAIL = "mail"


class SubscriptionState(StrEnum):
    """The life of a subscription: nothing of an alert is pushed before the receiver confirmed it."""

    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    ENDED = "ended"


class DeliveryState(StrEnum):
    """How a delivery stands: `dead` after its last attempt, `dropped` where it came to be nothing to deliver."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    DROPPED = "dropped"


class InstitutionBand(StrEnum):
    """How many other institutions hold an indicator: never a number."""

    ONE = "1"
    TWO_TO_FOUR = "2-4"
    FIVE_OR_MORE = "5+"


NORMALISATION = "n1"
"""The version of the normalisation rules; part of every token's input."""
