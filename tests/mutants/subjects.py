"""Which tests watch over which modules, and the changes that change nothing."""

from __future__ import annotations

from collections.abc import Mapping

_OUTCOMES = "tests/exchange/outcomes/test_rules.py"
_TAKEN_BACK = (
    _OUTCOMES,
    *(
        f"tests/exchange/outcomes/test_outcomes.py::{name}"
        for name in (
            "test_never_more_are_counted_as_told_than_bands_and_names_say",
            "test_a_hit_reaches_who_held_the_token_then_and_was_shown_it",
            "test_a_row_counts_for_a_member_only_while_both_share_the_group",
            "test_told_by_a_late_hit_is_who_can_have_been_shown_nothing_else",
            "test_members_are_together_while_both_are_active_and_in_the_open_group",
        )
    ),
)
_SUBMISSIONS = ("tests/exchange/submissions/test_rules.py", "tests/exchange/submissions/test_overlap_rule.py")
_GATEWAYS = ("tests/exchange/gateways",)
_REQUESTS = ("tests/exchange/requests/test_rules.py",)
SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "exchange/requests/rules.py": _REQUESTS,
    "exchange/queries/rules.py": ("tests/exchange/queries/test_rules.py",),
    "exchange/outcomes/rules.py": (_OUTCOMES,),
    "exchange/corrections/rules.py": ("tests/exchange/corrections/test_rules.py",),
    "exchange/submissions/rules.py": _SUBMISSIONS,
    "exchange/submissions/slices.py": _SUBMISSIONS,
    "exchange/gateways/rules.py": _GATEWAYS,
    "exchange/gateways/legal_gateway.py": (*_GATEWAYS, *_SUBMISSIONS),
    "exchange/gateways/safeguards.py": _GATEWAYS,
    "exchange/gateways/four_eyes.py": _REQUESTS,
    "exchange/gateways/handling.py": (*_GATEWAYS, "tests/alerts/test_rules.py"),
    "exchange/gateways/request_policy.py": _REQUESTS,
    "exchange/indicators/matching.py": (*_SUBMISSIONS, "tests/exchange/queries/test_rules.py"),
    "exchange/indicators/withdrawal.py": _TAKEN_BACK,
    "exchange/membership/authority.py": (*_SUBMISSIONS, *_GATEWAYS),
    "exchange/membership/past_authority.py": _TAKEN_BACK,
    "alerts/domain/rules.py": ("tests/alerts/test_rules.py",),
    "alerts/domain/alert.py": ("tests/alerts/test_rules.py",),
    "alerts/domain/subscription.py": ("tests/alerts/test_rules.py",),
    "schemas/marking.py": (*_GATEWAYS, *_SUBMISSIONS),
    "schemas/requests/prepared.py": _REQUESTS,
    "schemas/values/tipping_off.py": _GATEWAYS,
    "member/requests/refusal.py": ("tests/member/requests/test_request_details.py",),
    "member/statements/review.py": ("tests/member/statements/test_statement_text.py",),
    "member/tokens/quorums.py": ("tests/member/tokens/test_quorums.py",),
    "member/normalise/accounts.py": ("tests/member/normalise/test_normalise_accounts.py",),
    "member/normalise/wallets.py": ("tests/member/normalise/test_normalise_wallets.py",),
}
"""By module: the tests of the subject, those of the rules alone first, not all that happen to pass through it."""

_FOURTEEN = "fourteen digits do not come so far: they are an account, or were refused for their parts"
EQUIVALENT: Mapping[tuple[str, str], str] = {
    (
        "exchange/corrections/rules.py",
        '-    code, what = ("more-items", "more") if read < items else ("fewer-items", "less")\n'
        '+    code, what = ("more-items", "more") if (read <= items) else ("fewer-items", "less")',
    ): "the two are not equal there: what is equal was allowed before",
    (
        "member/normalise/accounts.py",
        "-    if 6 < digits < 14:\n+    if (6 < digits <= 14):",
    ): _FOURTEEN,
    (
        "member/normalise/accounts.py",
        "-    if 6 < digits < 14:\n+    if 6 < digits < 15:",
    ): _FOURTEEN,
}
"""Why a mutant behaves as the original does, by its module and its changed lines as `Mutant.diff` writes them."""
