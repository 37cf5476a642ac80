"""`pytest --quick`, the tests for the inner loop: rules, schemas, normalisation, and a path of each subject on SQLite.

What is left out runs with all the others before a change lands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

PROCESSES = frozenset(
    {
        "alerts/delivery/test_workers.py",
        "alerts/feeds/test_taxii_clients.py",
        "demo",
        "edge/test_serving.py",
        "end_to_end",
        "exchange/operations/test_backup.py",
        "exchange/operations/test_operations.py",
        "exchange/operations/test_program.py",
        "exchange/operations/test_set_up.py",
        "exchange/operations/test_start_checks.py",
        "exchange/operations/test_two_workers.py",
        "exchange/operations/test_worker.py",
        "exchange/log/test_log_outages.py",
        "keys/custody/test_new_home.py",
        "keys/holder/test_serving.py",
        "load",
        "member/indicators/test_resume.py",
        "test_command_lines.py",
        "test_completion.py",
        "test_postgresql.py",
        "torture",
    }
)
"""Places under `tests/` whose tests start programs, servers or threads."""

LONG = frozenset(
    {
        "alerts/delivery/test_mail.py",
        "alerts/delivery/test_subscriptions.py",
        "alerts/delivery/test_webhooks.py",
        "alerts/feeds/test_taxii_concurrency.py",
        "alerts/feeds/test_taxii_hidden.py",
        "alerts/rendering/test_pdf.py",
        "alerts/test_publication.py",
        "exchange/corrections/test_withdrawals.py",
        "exchange/operations/test_migrations_with_rows.py",
        "exchange/queries/test_bad_input.py",
        "exchange/queries/test_cover.py",
        "exchange/queries/test_guessing.py",
        "exchange/queries/test_nothing_shows.py",
        "exchange/queries/test_query_plans.py",
        "exchange/requests/test_answering.py",
        "exchange/requests/test_prepared.py",
        "exchange/requests/test_present_rights.py",
        "exchange/submissions/test_relisting.py",
        "exchange/submissions/test_slices.py",
        "exchange/test_matrix.py",
        "exchange/web/test_unsigned_limits.py",
        "fuzz",
        "keys/holder/test_any_bytes.py",
        "lawful_action",
        "member/alerts/test_alerts.py",
        "member/alerts/test_subscriptions.py",
        "member/corrections/test_withdrawals.py",
        "member/identity/test_people.py",
        "member/indicators/test_hits.py",
        "member/indicators/test_rotation.py",
        "member/indicators/test_rows.py",
        "member/indicators/test_submission.py",
        "member/indicators/test_values.py",
        "member/queries/test_queries.py",
        "member/queries/test_query_papers.py",
        "member/requests/test_invented_member.py",
        "member/requests/test_offers.py",
        "member/requests/test_planted.py",
        "member/requests/test_prepared.py",
        "member/requests/test_requests.py",
        "member/statements/test_approving_at_a_terminal.py",
        "member/statements/test_freshness.py",
        "member/statements/test_root_change.py",
        "member/statements/test_root_fork.py",
        "member/tables/test_workbooks.py",
        "member/test_any_bytes.py",
        "member/tokens/test_adaptive_holder.py",
        "member/tokens/test_budgets.py",
        "member/tokens/test_framed_holders.py",
        "member/tokens/test_holder_faults.py",
        "member/tokens/test_holder_rotation.py",
        "member/tokens/test_tokenise.py::test_one_wrong_answer_in_ten_thousand_is_caught_named_and_made_good",
        "member/transport/test_lines.py",
        "member/transport/test_outgoing.py",
        "test_named_places.py",
    }
)
"""Places whose tests take long together, each or because each founds a taskforce."""

KEPT = frozenset(
    {
        "alerts/test_publication.py::test_a_published_alert_reaches_its_audience_alone",
        "exchange/corrections/test_withdrawals.py::test_readers_of_a_hit_get_a_correction_and_the_row_is_gone",
        "exchange/requests/test_answering.py::test_a_partial_answer_names_the_holder_and_carries_its_sealed_part",
        "exchange/submissions/test_relisting.py::test_a_row_taken_back_is_left_out_whatever_the_reason",
        "member/alerts/test_alerts.py::test_an_alert_runs_from_draft_through_release_to_withdrawal",
        "member/corrections/test_withdrawals.py::test_a_row_is_taken_back_and_who_was_told_reads_and_acknowledges_it",
        "member/indicators/test_submission.py::test_an_overlap_is_shown_with_ones_own_value_and_references",
        "member/queries/test_queries.py::test_a_query_is_authorised_by_another_and_shows_its_values",
        "member/requests/test_requests.py::test_a_bank_asks_and_the_holders_authoriser_answers_partly",
    }
)
"""One path of each subject in long places."""


def is_left_out(item: pytest.Item) -> bool:
    """Whether a quick run does without this test."""
    place = item.path.relative_to(HERE)
    name = f"{place.as_posix()}::{getattr(item, 'originalname', item.name)}"
    places = {name, place.as_posix(), *(folder.as_posix() for folder in place.parents)}
    return _needs_postgresql(item) or (name not in KEPT and not places.isdisjoint(PROCESSES | LONG))


def _needs_postgresql(item: pytest.Item) -> bool:
    variant = getattr(item, "callspec", None)
    values = variant.params.values() if variant is not None else ()
    fixtures = getattr(item, "fixturenames", ())
    return "postgresql" in values or any(name.startswith("postgresql") for name in fixtures)
