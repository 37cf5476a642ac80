"""Domains and e-mail addresses.

Names are brought to A-labels by UTS #46 (non-transitional, without the STD3 and hyphen restrictions, as the WHATWG
URL standard does when it reads an address): what a browser would look up. IDNA 2008 alone would refuse names that are
registered and used for fraud (emoji, `_`, a second `--`), and a refused name finds no overlap.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from member.normalise.circumstances import Circumstances
from member.normalise.common import MAIL_PROVIDERS
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import refuse_address, refuse_domain, refuse_word
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/{1,2}", re.IGNORECASE)
_SECOND_LINK = re.compile(r"[\s;|](?:[a-z][a-z0-9+.-]*:/{2}|www\.)", re.IGNORECASE)
_END_OF_AUTHORITY = re.compile(r"[/?#]")
_PORT = re.compile(r":[0-9]*\Z")
_NUMERIC = re.compile(r"[0-9.]+")
_PLAIN_HOST = re.compile(r"(?:(?!-+\.)[a-z0-9_-]{1,63}\.)+[a-z]{2,63}")
_LABEL = re.compile(r"(?!-+\Z)[a-z0-9_-]{1,63}")
_TOP_LEVEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
_LOCAL_PART = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+")
_DEFANGED = re.compile(r"[\[({]|\.\]|\\\.|\s\.|\sdot\s|^h..ps?:|^h..p:", re.IGNORECASE)
_FOLLOWABLE = re.compile(r"[a-z][a-z0-9+.*-]*\s*:\s*[/\\]", re.IGNORECASE)
_BRACKETED = re.compile(r"[\[({]\s*(:/{0,2}|/{1,2}|\.|@|dot|punkt|point|at|s)\s*[\])}]", re.IGNORECASE)
_MEANT = {"dot": ".", "punkt": ".", "point": ".", "at": "@"}
_SPACED_DOT = re.compile(r"\s+(?:dot\s+|\.\s*)", re.IGNORECASE)
_SPACED_AT = re.compile(r"\s+at\s+", re.IGNORECASE)
_AROUND_AT = re.compile(r"\s*@\s*")
_IN_BRACKETS = re.compile(r"[^<>]*<([^<>]+)>\s*")
_MAIL_SCHEME = re.compile(r"(?:mailto|smtp|e-?mail)[:=]\s*(?://)?", re.IGNORECASE)
_PERCENT_CODE = re.compile(r"%[0-9A-Fa-f]{2}")
_BAD_LABEL = "a character that no domain name may hold, or a part of more than 63 characters"
_SAME_HOST = {"googlemail.com": "gmail.com"}
"""Hosts of one provider that deliver to the same box."""
_LONGEST_NAME = 253  # RFC 1035 section 2.3.4, without the root's dot


def domain(text: str, _: Circumstances) -> Canonical:
    """The host of an address: scheme, user, port, path, query, one final dot and one leading `www.` or `*.` dropped."""
    host = text if _is_plain_domain(text) else _host(with_plain_hyphens(text))
    refuse_domain(host)
    return Canonical(IndicatorType.DOMAIN.value, host)


def host_and_path(text: str) -> tuple[str, str]:
    """The host in its canonical form, and the path behind it, as written. NormalisationError as for a domain."""
    authority, path = _authority(undefanged(text))
    return _host_of(authority), path


def email(text: str, _: Circumstances) -> Canonical:
    """`local@host`, all lower case. Neither plus tags nor dots are folded: what they mean is the provider's affair."""
    local, host = _parts(_bare_address(with_plain_hyphens(text)))
    host = _a_labels(host.removesuffix("."))
    refuse_address(local, host, is_shared=host in MAIL_PROVIDERS)
    return Canonical(IndicatorType.EMAIL.value, f"{local.lower()}@{_SAME_HOST.get(host, host)}")


def undefanged(text: str) -> str:
    """The address as it is used: what people put into it so that nobody follows it is taken out."""
    if not _DEFANGED.search(text):
        return text
    spelt = _BRACKETED.sub(lambda found: _MEANT.get(found[1].lower(), found[1]), text)
    spelt = spelt.replace("[.", ".").replace(".]", ".")
    if not _FOLLOWABLE.match(spelt):  # behind a scheme a backslash ends the host, as browsers read it
        spelt = spelt.replace("\\.", ".")
    return _SPACED_DOT.sub(".", spelt)


def _is_plain_domain(text: str) -> bool:
    return (
        len(text) <= _LONGEST_NAME
        and bool(_PLAIN_HOST.fullmatch(text))
        and text[:4] not in ("www.", "xn--")
        and (".xn--" not in text)
    )


def _bare_address(text: str) -> str:
    """Without the owner's name, angle brackets, `mailto:` and what follows a question mark."""
    spelt = undefanged(text)
    if "@" not in spelt:
        spelt = _SPACED_AT.sub("@", spelt.replace("%40", "@"))
    in_brackets = _IN_BRACKETS.fullmatch(spelt)
    if in_brackets:
        _refuse_another(spelt[: in_brackets.start(1) - 1], in_brackets[1])
        spelt = in_brackets[1]
    scheme = _MAIL_SCHEME.match(spelt)
    if scheme:
        spelt = spelt[scheme.end() :].partition("?")[0]
        spelt = spelt if "@" in spelt else spelt.replace("%40", "@")
    return _AROUND_AT.sub("@", spelt.strip("<> '"))


def _refuse_another(name: str, address: str) -> None:
    """NormalisationError if the name in front of the angle brackets is an address, and not the one inside."""
    shown = name.strip(" '\"")
    if "@" in shown and not address.lower().endswith(shown.lower()):
        raise NormalisationError("another address as the name of the owner", "one address a row: the one that is meant")


def _parts(address: str) -> tuple[str, str]:
    local, at, host = address.partition("@")
    if not at:
        refuse_word(address)
    if not at or "@" in host:
        raise NormalisationError("an e-mail address has exactly one @", "one address a row")
    if len(local) > 2 and local[0] == local[-1] == '"':  # RFC 5321 section 4.1.2: the quotes are no part of it
        local = local[1:-1]
    if _PERCENT_CODE.search(local):
        raise NormalisationError("a percent code before the @", "write the character that it stands for")
    if not local.isascii():
        raise NormalisationError("characters outside ASCII before the @", "look the address up: a letter may be forged")
    if not _LOCAL_PART.fullmatch(local):
        raise NormalisationError(
            "nothing before the @" if not local else "a space, quote or bracket before the @",
            "write the bare address, without the name of its owner",
        )
    return local, host


def _host(text: str) -> str:
    authority, _ = _authority(undefanged(text))
    return _host_of(authority)


def _authority(spelt: str) -> tuple[str, str]:
    """What stands between the scheme and the path, and the path. A backslash is a slash, as browsers read it (WHATWG
    URL, "special authority ignore slashes").
    """
    spelt = spelt.strip("<> ").replace("\\", "/")
    scheme = _SCHEME.match(spelt)
    if scheme:
        spelt = spelt[scheme.end() :]
    elif _MAIL_SCHEME.match(spelt):
        raise _is_email()
    spelt = spelt.removeprefix("//") if not scheme else spelt
    if _SECOND_LINK.search(spelt):
        raise NormalisationError("more than one address", "one domain a row")
    end = _END_OF_AUTHORITY.search(spelt)
    authority, path = (spelt[: end.start()], spelt[end.start() :]) if end else (spelt, "")
    user, at, host = authority.rpartition("@")
    if at and not scheme and ":" not in user:
        raise _is_email()
    return host, path


def _is_email() -> NormalisationError:
    return NormalisationError("this looks like an e-mail address", "write email as its type, or the domain alone")


def _host_of(authority: str) -> str:
    refuse_word(authority)
    _refuse_address(authority)
    host = _PORT.sub("", authority).removesuffix(".").removeprefix("*.")
    _refuse_address(host)
    return _a_labels(host, drop_www=True)


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
        raise NormalisationError("a character that no domain name may hold", "one domain a row") from error


def _checked(name: str) -> str:
    if "." not in name:
        raise NormalisationError("no dot in the domain", "expected: a full name such as example.com")
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
        raise NormalisationError(
            f"{len(joined)} characters in the domain", f"{_LONGEST_NAME} is the most; one domain a row"
        )
    return joined


def _a_label(label: str) -> str:
    if not label:
        raise NormalisationError("an empty part in the domain", "look for two dots in a row")
    if label.isascii():
        if not _LABEL.fullmatch(label):
            raise NormalisationError(_BAD_LABEL, "one domain a row, without text around it")
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
        raise NormalisationError("an international domain name that UTS #46 refuses", "look it up again") from error
    if not _LABEL.fullmatch(encoded):
        raise NormalisationError(_BAD_LABEL, "one domain a row, without text around it")
    return encoded


def _verify_a_label(label: str) -> None:
    """An A-label is what its own Unicode form encodes to (RFC 5890 section 2.3.2.1), or it names nothing."""
    bad = NormalisationError("a part that starts with xn-- and encodes no international name", "look it up again")
    try:
        unicode_form = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError) as error:
        raise bad from error
    if not unicode_form or unicode_form.isascii():
        raise bad
    if _mapped(unicode_form) != unicode_form or _encoded(unicode_form) != label:
        raise bad
