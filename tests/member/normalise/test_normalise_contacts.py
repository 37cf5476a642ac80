"""Phones, e-mail addresses and domains under rules n1. Numbers are Ofcom's for drama, names those of RFC 2606."""

from __future__ import annotations

import pytest

from tests.member.normalise.examples import form_of, refusal_of

PHONE = "+442079460123"


@pytest.mark.parametrize(
    "value",
    [PHONE, "442079460123", "00442079460123", "+44 20 7946 0123", "+44 (0)20 7946 0123", "+44 ( 0 ) 20-7946-0123",
     "(+44) 20/7946.0123", "0044 (0) 20 7946 0123", "+44‑20–7946 0123", "＋４４２０７９４６０１２３", "+٤٤٢٠٧٩٤٦٠١٢٣",
     "\u202a+44 20 7946 0123\u202c", "+44\u00a020\u00a07946\u00a00123"],
)  # fmt: skip
def test_a_phone_number_is_plus_and_digits_however_it_is_written(value: str) -> None:
    assert form_of("phone", value) == PHONE


@pytest.mark.parametrize("value", ["+6831234", "+491234567890123"])
def test_a_phone_number_has_seven_to_fifteen_digits(value: str) -> None:
    assert form_of("phone", value) == value


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("020 7946 0123", "starts with 0"),
        ("(0)20 7946 0123", "starts with 0"),
        ("+0442079460123", "starts with 0"),
        ("000442079460123", "starts with 0"),
        ("+123456", "6 digits"),
        ("+1234567890123456", "16 digits"),
        ("+", "placeholder"),
        ("0800 FLOWERS", "letters"),
        ("+44 20 7946 0123; +44 20 7946 0124", "one number a row"),
        ("+44+2079460123", "one number a row"),
        ("4.42E+11", "scientific"),
    ],
)
def test_a_phone_number_that_would_have_to_be_guessed_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("phone", value)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("+375 80 29 123 45 67", "+375291234567"),
        ("+375 8 029 123 45 67", "+375291234567"),
        ("+3750291234567", "+375291234567"),
        ("+375 8001234567", "+3758001234567"),
        ("+370 8 612 34567", "+37061234567"),
        ("+370 800 12345", "+37080012345"),
        ("+91 080 2222 3333", "+918022223333"),
        ("+7 812 345-67-89", "+78123456789"),
    ],
)
def test_a_trunk_prefix_that_was_left_in_is_dropped(value: str, canonical: str) -> None:
    assert form_of("phone", value) == canonical


@pytest.mark.parametrize("value", ["+972 050-123-4567", "+9720501234567", "+91 022 1234 5678", "+375 80 29 123 45 6"])
def test_a_trunk_prefix_with_no_valid_number_behind_it_is_refused(value: str) -> None:
    assert "a trunk prefix" in refusal_of("phone", value)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("Anna.Example@Example.COM", "anna.example@example.com"),
        ("mailto:anna@example.com", "anna@example.com"),
        ("MAILTO:anna@example[.]com", "anna@example.com"),
        ("anna+tag@example.com", "anna+tag@example.com"),
        ("a.n.n.a@example.com", "a.n.n.a@example.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@www.example.com", "anna@www.example.com"),
        ("ａｎｎａ＠example.com", "anna@example.com"),
        ("Anna <'anna@example.com'>", "anna@example.com"),
        ("mailto:'anna@example.com", "anna@example.com"),
    ],
)
def test_an_email_address_is_lower_case_with_a_labels_and_nothing_folded(value: str, canonical: str) -> None:
    assert form_of("email", value) == canonical


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("anna.example.com", "exactly one @"),
        ("anna@b@example.com", "exactly one @"),
        ("änna@example.com", "outside ASCII"),
        ("@example.com", "nothing before"),
        ("anna b@example.com", "bare address"),
        ("anna@localhost", "no dot"),
        ("anna@192.0.2.1", "IP address"),
        ("anna@example..com", "empty part"),
        ("anna@example.com, ben@example.org", "exactly one @"),
    ],
)
def test_what_is_not_one_plain_address_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("email", value)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("http://www.example.com/", "example.com"),
        ("http:/example.com", "example.com"),
        ("hxxps://login.example[.]com/a/b?c=d#e", "login.example.com"),
        ("HXXP://WWW.EXAMPLE.COM:8080/", "example.com"),
        ("https://user:secret@example.com:443/path", "example.com"),
        ("ftp://example.com?x", "example.com"),
        ("www.www.example.com", "www.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("exa\u00admple.com", "example.com"),
        ("i❤.example", "xn--i-7iq.example"),
        ("my_bank.example.com", "my_bank.example.com"),
        ("r3---sn.example.com", "r3---sn.example.com"),
    ],
)
def test_a_domain_is_the_host_alone_in_a_labels(value: str, canonical: str) -> None:
    assert form_of("domain", value) == canonical


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("192.0.2.1", "IP address"),
        ("http://192.0.2.1:8080/x", "IP address"),
        ("http://[2001:db8::1]/", "IP address"),
        ("2001:db8::1", "IP address"),
        ("192.0.2.1.", "IP address"),
        ("localhost", "no dot"),
        ("www.com", "no dot"),
        ("example.123", "letters only"),
        ("example.c0m", "letters only"),
        ("example..com", "empty part"),
        (".example.com", "empty part"),
        ("http:///example.com", "no dot"),
        ("exam ple.com", "no domain name may hold"),
        ("example%2ecom.com", "no domain name may hold"),
        ("a" * 64 + ".com", "63 characters"),
        (("a" * 50 + ".") * 6 + "com", "253"),
        ("xn--.com", "encodes no"),
        ("xn--example.com", "xn--"),
        ("ü" * 60 + ".example", "63 characters"),
    ],
)
def test_what_is_no_domain_name_is_refused(value: str, named: str) -> None:
    assert named in refusal_of("domain", value)
