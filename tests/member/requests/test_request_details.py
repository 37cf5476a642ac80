"""What an answer tells of a row: the distinct values of its sources, and nothing that may not be said."""

from __future__ import annotations

import pytest

from member.errors import AnswerError
from member.requests.details import collect_details, encode_details, read_details
from member.requests.refusal import Broken, RuleRefusedError
from member.vault.rows import OwnIndicator, Source

SOURCE = Source(
    "1", "reason", "2026-02-01", "ref", {"Contact": "desk", "branch": "Leeds", "last_seen": "2026-05-01"}, 2, "s"
)
OWN = OwnIndicator("bank_account", "1", [SOURCE, Source("1", "reason", "2026-01-01", "", {}, 3, "t")])


def test_details_are_the_distinct_values_of_all_rows() -> None:
    fields = ["reason", "first_seen", "last_seen", "contact", "other_columns", "local_reference", "narrative"]
    details = collect_details(OWN, fields, lambda _: "suspect", "switchboard", "")
    assert details.stated() == {
        "reason": ["reason"],
        "first_seen": "2026-01-01",
        "last_seen": "2026-05-01",
        "contact": ["desk"],
        "other_columns": [{"branch": "Leeds"}],
        "local_reference": ["ref"],
        "narrative": None,
    }
    assert read_details(encode_details(details), fields) == details


@pytest.mark.parametrize("role", ["victim", "mule_unwitting"])
def test_protected_subjects_are_marked_unasked(role: str) -> None:
    roles = {"s": role, "t": "suspect"}
    assert collect_details(OWN, ["reason"], roles.__getitem__, "", "").subject_role == [role, "suspect"]


@pytest.mark.parametrize("where", ["reason", "other_columns", "contact", "note"])
def test_no_word_of_a_suspicious_activity_report_leaves_the_vault(where: str) -> None:
    word = "see our S.A.R. of May"
    extra = {"branch": word} if where == "other_columns" else {}
    source = Source("1", word if where == "reason" else "", "", "", extra, 2, "s")
    contact, note = (word if where == name else "" for name in ("contact", "note"))
    fields = ["reason", "contact", "other_columns"]
    with pytest.raises(RuleRefusedError) as refused:
        collect_details(OwnIndicator("iban", "1", [source]), fields, lambda _: "", contact, note)
    (reason,) = refused.value.fields["problem"]["reasons"]
    assert (reason["code"], reason["field"]) == ("tipping-off", where)


def test_a_field_that_only_a_newer_version_knows_is_refused_by_name() -> None:
    with pytest.raises(RuleRefusedError) as refused:
        collect_details(OWN, ["reason", "shoe_size"], lambda _: "", "", "")
    (reason,) = refused.value.fields["problem"]["reasons"]
    assert (reason["code"], reason["field"]) == ("unknown-field", "shoe_size")


def test_a_refusal_says_every_rule_that_is_not_kept() -> None:
    broken = [Broken("fields", "fields", "each once"), Broken("to", "to", "null")]
    refused = RuleRefusedError("nothing was sent", broken, "member request show ID")
    assert str(refused) == "nothing was sent: fields: each once (fields); to: null (to)"
    assert refused.hint == "member request show ID"
    reasons = refused.fields["problem"]["reasons"]
    assert reasons[1] == {"code": "to", "field": "to", "detail": "null"}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", []),
        (b"[]", []),
        (b'{"reason":["x"]}', []),
        (b"{}", ["reason"]),
        (b'{"reason":"x"}', ["reason"]),
        (b'{"reason":[1]}', ["reason"]),
        (b'{"reason":["x"],"extra":1}', ["reason"]),
        (b'{"note":null}', []),
        (b'{"other_columns":[["a"]]}', ["other_columns"]),
        (b"\xff", []),
    ],
)
def test_details_of_another_form_than_agreed_are_refused(payload: bytes, told: list[str]) -> None:
    with pytest.raises(AnswerError):
        read_details(payload, told)
