"""Domains and e-mail addresses.

Names are brought to A-labels by UTS #46 (non-transitional, without the STD3 and hyphen restrictions, as the WHATWG
URL standard does when it reads an address): what a browser would look up. IDNA 2008 alone would refuse names that are
registered and used for fraud (emoji, `_`, a second `--`), and a refused name finds no overlap.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from member.normalise.outcome import Canonical, NormalisationError
from schemas.terms import IndicatorType

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/{1,2}", re.IGNORECASE)
_END_OF_AUTHORITY = re.compile(r"[/?#]")
_PORT = re.compile(r":[0-9]*\Z")
_NUMERIC = re.compile(r"[0-9.]+")
_PLAIN_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z]{1,63}")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_TOP_LEVEL = re.compile(r"[a-z]{1,63}|xn--[a-z0-9-]{1,59}")
_LOCAL_PART = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+")
_LONGEST_NAME = 253  # RFC 1035 section 2.3.4, without the root's dot


def domain(text: str) -> Canonical:
    """The host of an address: scheme, user, port, path, query, one final dot and one leading `www.` dropped."""
    return Canonical(IndicatorType.DOMAIN.value, _host(text))


def email(text: str) -> Canonical:
    """`local@host`, all lower case. Neither plus tags nor dots are folded: what they mean is the provider's affair."""
    spelt = text.replace("[.]", ".")
    if spelt[:7].lower() == "mailto:":
        spelt = spelt[7:]
    local, at, host = spelt.partition("@")
    if not at or "@" in host:
        raise NormalisationError("an e-mail address has exactly one @", "one address a row")
    if not local.isascii():
        raise NormalisationError("characters outside ASCII before the @")
    if not _LOCAL_PART.fullmatch(local):
        raise NormalisationError(
            "nothing before the @" if not local else "a space, quote or bracket before the @",
            "write the bare address, without the name of its owner",
        )
    return Canonical(IndicatorType.EMAIL.value, f"{local.lower()}@{_a_labels(host.removesuffix('.'))}")


def _host(text: str) -> str:
    spelt = text.replace("[.]", ".")
    scheme = _SCHEME.match(spelt)
    if scheme:
        spelt = spelt[scheme.end() :]
    end = _END_OF_AUTHORITY.search(spelt)
    if end:
        spelt = spelt[: end.start()]
    spelt = spelt.rpartition("@")[2]
    _refuse_address(spelt)
    spelt = _PORT.sub("", spelt).removesuffix(".")
    _refuse_address(spelt)
    return _a_labels(spelt, drop_www=True)


def _refuse_address(host: str) -> None:
    if not _NUMERIC.fullmatch(host) and ":" not in host and "[" not in host:
        return
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return
    raise NormalisationError("an IP address is not a domain", "there is no indicator type for addresses of machines")


def _a_labels(host: str, *, drop_www: bool = False) -> str:
    name = host.lower() if host.isascii() else _mapped(host)
    if drop_www:
        name = name.removeprefix("www.")
    if "xn--" not in name and len(name) <= _LONGEST_NAME and _PLAIN_HOST.fullmatch(name):
        return name
    return _checked(name)


def _mapped(host: str) -> str:
    try:
        return idna.uts46_remap(host, std3_rules=False, transitional=False)
    except (idna.IDNAError, IndexError) as error:
        raise NormalisationError("a character that no domain name may hold") from error


def _checked(name: str) -> str:
    if "." not in name:
        raise NormalisationError("no dot in the domain", "wanted: a full name such as example.com")
    labels = [_a_label(label) for label in name.split(".")]
    if _NUMERIC.fullmatch(name):
        raise NormalisationError(
            "an IP address is not a domain", "there is no indicator type for addresses of machines"
        )
    if not _TOP_LEVEL.fullmatch(labels[-1]):
        raise NormalisationError(
            "the last part of a domain is letters only", "one domain a row, without text around it"
        )
    joined = ".".join(labels)
    if len(joined) > _LONGEST_NAME:
        raise NormalisationError(f"{len(joined)} characters in the domain; {_LONGEST_NAME} is the most")
    return joined


def _a_label(label: str) -> str:
    if not label:
        raise NormalisationError("an empty part in the domain", "look for two dots in a row")
    if label.isascii():
        if not _LABEL.fullmatch(label):
            raise NormalisationError("a character that no domain name may hold, or a part of more than 63 characters")
        if label.startswith("xn--"):
            _verify_a_label(label)
        return label
    return _encoded(label)


def _encoded(label: str) -> str:
    try:
        idna.check_initial_combiner(label)
        idna.check_bidi(label)
        encoded = "xn--" + label.encode("punycode").decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise NormalisationError("an international domain name that UTS #46 refuses") from error
    if not _LABEL.fullmatch(encoded):
        raise NormalisationError("a character that no domain name may hold, or a part of more than 63 characters")
    return encoded


def _verify_a_label(label: str) -> None:
    """An A-label is what its own Unicode form encodes to (RFC 5890 section 2.3.2.1), or it names nothing."""
    bad = NormalisationError("a part that starts with xn-- and encodes no international name")
    try:
        unicode_form = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError) as error:
        raise bad from error
    if not unicode_form or unicode_form.isascii():
        raise bad
    if _mapped(unicode_form) != unicode_form or _encoded(unicode_form) != label:
        raise bad
