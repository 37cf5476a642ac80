"""Inputs read one way only, and a token's halves do not show."""

from __future__ import annotations

import pytest

from keys.oprf.tokens import oprf_input, split_output


def test_an_input_names_version_type_and_canonical_form() -> None:
    assert oprf_input("n1", "bank_account", "20000055779911") == b"n1|bank_account|20000055779911"
    assert oprf_input("n1", "person", "zoë|1980").decode() == "n1|person|zoë|1980"


@pytest.mark.parametrize(
    "parts", [("", "phone", "1"), ("n1", "", "1"), ("n1", "phone", ""), ("n|1", "phone", "1"), ("n1", "pho|ne", "1")]
)
def test_an_input_that_could_be_read_two_ways_is_refused(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"bar|required"):
        oprf_input(*parts)


def test_an_input_longer_than_the_rfc_allows_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        oprf_input("n1", "domain", "é" * 32_768)


def test_an_output_splits_into_token_and_detail_key() -> None:
    token = split_output(bytes(range(64)))
    assert (token.token, token.detail_key) == (bytes(range(32)), bytes(range(32, 64)))
    assert repr(token) == "Token()"


@pytest.mark.parametrize("length", [0, 63, 65])
def test_an_output_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        split_output(bytes(length))
