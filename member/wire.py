"""Where things are at the exchange and at a key holder; each server describes them in its /openapi.json."""

from __future__ import annotations

ENROLMENTS = "/v1/enrolments"
PROPOSALS = "/v1/proposals"
STATEMENTS = "/v1/statements"
STATUS = "/v1/status"
SUBMISSIONS = "/v1/submissions"
HITS = "/v1/hits"
LOG_CHECKPOINT = "/log/checkpoint"
LOG_TILE = "/log/tile/"
LOG_ENTRIES = "/log/entries"
ALERTS = "/v1/alerts"
FEED_TOKENS = "/v1/feed-tokens"
SUBSCRIPTIONS = "/v1/subscriptions"

EVALUATIONS = "/v1/evaluations"
BUDGET = "/v1/budget"

ENROLMENT_DOMAIN = b"exchange-enrolment-v1\0"
RECEIPT_DOMAIN = b"exchange-receipt-v1\0"
PROBLEM_PREFIX = "urn:exchange:problem:"
EVALUATION_PROOF = "Evaluation-Proof"
SIGNATURE = "Signature"
UNKNOWN_KEY = "unknown-key"
