"""Signatures, as the library of the specification verifies them; secrets that are stored nowhere."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from alerts.delivery.webhook import OLD_SECRET_GOOD_FOR, WebhookSecrets, message_body, sign_message, valid_numbers
from alerts.domain.subscription import RETRIES, pause_after
from schemas.alerts.subscriptions import PushedWord, SubscriptionPush
from schemas.values.encoding import to_rfc3339
from schemas.values.identifiers import uuid7

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SECRETS = WebhookSecrets(bytes(range(32)))


def test_the_reference_library_verifies_a_message_unless_changed() -> None:
    word = PushedWord(subscription_id="s-1", code="é")
    push = SubscriptionPush(type="subscription.confirm", timestamp=to_rfc3339(NOW), data=word)
    secret, message_id, body = SECRETS.secret("s-1", 1), uuid7(), message_body(push)
    headers = sign_message([secret], message_id, body, datetime.now(UTC))
    assert Webhook(secret).verify(body, headers)["type"] == "subscription.confirm"
    for changed in (
        {**headers, "webhook-id": uuid7()},
        {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS.secret("s-2", 1)).verify(body, headers)


def test_while_a_secret_changes_both_verify() -> None:
    secrets, message_id, body = [SECRETS.secret("s-1", number) for number in (2, 1)], uuid7(), b"{}"
    headers = sign_message(secrets, message_id, body, datetime.now(UTC))
    for secret in secrets:
        assert Webhook(secret).verify(body, headers) == {}
    assert valid_numbers(1, NOW, NOW) == [1]
    assert valid_numbers(2, NOW, NOW + OLD_SECRET_GOOD_FOR - timedelta(seconds=1)) == [2, 1]
    assert valid_numbers(2, NOW, NOW + OLD_SECRET_GOOD_FOR) == [2]


def test_every_subscription_number_and_key_has_its_own_secret_of_32_bytes() -> None:
    made = {secrets.secret(name, number) for secrets in (SECRETS, WebhookSecrets(bytes(32))) for name in ("s", "t")
            for number in (1, 2)}  # fmt: skip
    assert len(made) == 8
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in made} == {32}
    assert repr(SECRETS) == "WebhookSecrets()"


def test_a_code_belongs_to_one_subscription() -> None:
    code = SECRETS.code("s-1")
    assert len(code) == 16
    assert SECRETS.is_code("s-1", f" {code.lower()} ")
    assert not SECRETS.is_code("s-2", code)
    assert not SECRETS.is_code("s-1", "")
    assert not SECRETS.is_code("s-1", "é")


def test_ten_attempts_with_growing_pauses_take_over_three_days() -> None:
    pauses = [pause_after(attempts, 0.0) for attempts in range(1, 10)]
    assert tuple(pauses) == RETRIES
    assert sum(RETRIES, timedelta()) > timedelta(days=3)
    assert list(RETRIES) == sorted(RETRIES)
    assert pause_after(10, 0.0) is None
    for attempts in range(1, 10):
        early, late = pause_after(attempts, 0.0), pause_after(attempts, 1.0)
        assert early is not None
        assert late is not None
        assert early < late <= early * 1.2
