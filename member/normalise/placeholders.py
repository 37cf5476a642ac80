"""What people write where they have no value. Two members that wrote the same would meet over nothing: refused.

The one list of such words and figures; every rule asks here.
"""

from __future__ import annotations

import re
import unicodedata

from member.normalise.outcome import NormalisationError
from member.normalise.text import without_diacritics

_WORDS = """
UNKNOWN UNK NK NOTKNOWN NOTAVAILABLE NOTAPPLICABLE NOTPROVIDED NOTGIVEN NOTSTATED NOTRECORDED NOTSUPPLIED NOTDISCLOSED
NOTREGISTERED NOTFOUND NOTSET NOTONFILE NOTHELD NOTREQUIRED NOTLISTED NOTYETKNOWN NOTCONFIRMED NOTASSIGNED NA NAN NONE
NONEGIVEN NONEKNOWN NONEPROVIDED NONEHELD NOTHING NIL NULL UNDEFINED MISSING BLANK EMPTY VOID INFINITY ERROR TRUE
FALSE TEST TESTING TESTER TESTUSER TESTACCOUNT TESTCUSTOMER TESTTEST DUMMY SAMPLE PLACEHOLDER DEFAULT TBC TBD TBA
TOBECONFIRMED TOBEADVISED TOBEANNOUNCED TOBEDETERMINED TOFOLLOW PENDING ANON ANONYMOUS ANONYMISED ANONYMIZED REDACTED
MASKED WITHHELD UNDISCLOSED UNAVAILABLE UNIDENTIFIED UNREGISTERED UNLISTED UNASSIGNED UNNAMED DELETED REMOVED NOVALUE
NODATA NOINFO NOINFORMATION NONUMBER NOPHONE NOACCOUNT NONAME NONAMEGIVEN NAMEUNKNOWN UNKNOWNMALE UNKNOWNFEMALE
UNKNOWNPERSON FNU LNU DITTO ASABOVE SAMEASABOVE SEEABOVE SEEBELOW SEENOTES VARIOUS DECEASED ACCOUNTCLOSED
CLOSEDACCOUNT DONOTUSE JOINTACCOUNT ACCOUNTHOLDER DATAMISSING MISSINGDATA DONOTCONTACT OCCUPIER THEOCCUPIER
HOUSEHOLDER CUSTOMER CUSTOMERNAME CLIENT CLIENTNAME REFUSED DECLINED EXEMPT NAME FULLNAME YOURNAME FIRSTNAME LASTNAME
FORENAME SURNAME FIRSTLAST FIRSTNAMELASTNAME LASTNAMEFIRSTNAME USERNAME FORENAMESURNAME SURNAMEFORENAME EXDIRECTORY
SELF SAME BENEFICIARY NN LOREMIPSUM ASDF ASDFGH QWERTY FOOBAR ABC ABCD ABCDE ABCDEF
UNBEKANNT KEIN KEINE KEINER KEINEANGABE KEINEANGABEN OHNEANGABE NICHTBEKANNT NICHTVORHANDEN NICHTVERFÜGBAR ENTFÄLLT
INCONNU INCONNUE NÉANT AUCUN AUCUNE SANSOBJET SANSNOM NONRENSEIGNÉ NONCOMMUNIQUÉ NONDISPONIBLE NONAPPLICABLE NONCONNU
ENCOURS PASDENOM
DESCONOCIDO DESCONOCIDA NINGUNO NINGUNA NODISPONIBLE NOAPLICA SINDATO SINDATOS SINNOMBRE SINNÚMERO NOCONSTA
DESCONHECIDO DESCONHECIDA NENHUM NENHUMA NÃODISPONÍVEL NÃOINFORMADO NÃOSEAPLICA SEMNOME SEMDADOS
SCONOSCIUTO SCONOSCIUTA IGNOTO NESSUNO NESSUNA NONDISPONIBILE NONAPPLICABILE NONNOTO
ONBEKEND GEEN NVT NIETBEKEND NIETVANTOEPASSING NIEZNANY NIEZNANA NIEZNANE BRAK BRAKDANYCH NIEDOTYCZY
OKÄND UKJENT UKENDT INGEN SAKNAS TUNTEMATON EITIEDOSSA NEZNÁMÝ NEZNÁMÁ NEZNÁMO NEUVEDENO NEUVEDENÉ ISMERETLEN NINCS
NINCSADAT NECUNOSCUT NECUNOSCUTĂ BILINMIYOR BELIRSIZ NEPOZNATO NEPOZNAT NEŽINOMA NEZINĀMS TEADMATA PUUDUB
TIDAKADA TIDAKDIKETAHUI TIADA KHÔNGCÓ KHÔNGRÕ KHÔNGBIẾT
НЕИЗВЕСТНО НЕИЗВЕСТЕН НЕИЗВЕСТНЫЙ НЕИЗВЕСТНАЯ НЕТ НЕТДАННЫХ НД ОТСУТСТВУЕТ НЕУКАЗАНО НЕУКАЗАН ТЕСТ НЕВІДОМО НЕВІДОМИЙ
НЕМАЄ НЯМА ΑΓΝΩΣΤΟ ΑΓΝΩΣΤΟΣ ΑΓΝΩΣΤΗ ΔΕΝΥΠΑΡΧΕΙ
مجهول غيرمعروف غيرمتوفر لايوجد نامشخص ندارد לאידוע אין अज्ञात
未知 不明 不详 不詳 无 無 没有 沒有 暂无 測試 测试 なし テスト 未定 없음 미상 알수없음 해당없음 ไม่ทราบ ไม่มี
"""

NAME_PAIRS = frozenset({
    "FIRST LAST NAME", "DOE JOHN", "DOE JANE", "A N OTHER", "AVAILABLE NOT", "KNOWN NOT", "APPLICABLE NOT", "NAME NO",
    "GIVEN NOT", "NOT PROVIDED", "NOT STATED", "NOT RECORDED", "BLOGGS JOE", "MAX MUSTERMANN", "ERIKA MUSTERMANN",
    "NESCIO NOMEN", "MICKEY MOUSE", "BAR FOO", "PERSON TEST", "NAME TEST", "BABY BOY", "BABY GIRL", "CHILD MINOR",
    "BLOGGS FRED", "N",
})  # fmt: skip
"""Whole names of several words, each once and sorted as in name keys."""

NOBODY = frozenset({"UNKNOWN", "UNNAMED", "UNIDENTIFIED", "FNU", "LNU"})
"""Words that stand for a part of a name that is not known."""

BIRTHS = frozenset({"1900-01-01"})
"""Days of birth that systems fill in."""

_SIGNS = re.compile(r"[\W_]+")
_ONE_LETTER = re.compile(r"([^\W\d_])\1{2,}|XX")
_ONE_SIGN = re.compile(r"(.)\1*")
_LONGEST = 40
_NO_MAIL = frozenset({
    "NOEMAIL", "NOMAIL", "NOTANEMAIL", "NOEMAILADDRESS", "NOEMAILPROVIDED", "NOEMAILGIVEN", "DONTHAVE", "DONTHAVEEMAIL",
    "DOESNOTHAVEEMAIL", "NOTPROVIDED", "NOTGIVEN", "NOTAVAILABLE", "NOTAPPLICABLE",
})  # fmt: skip


def _folded(text: str) -> str:
    """In capitals, without spaces, signs and diacritics."""
    if text.isascii():
        return _SIGNS.sub("", text).upper()
    return _SIGNS.sub("", unicodedata.normalize("NFC", without_diacritics(text))).upper()


WORDS = frozenset(_folded(word) for word in _WORDS.split())
"""In capitals, without spaces, signs and diacritics."""

_NO_MAIL_ANYWHERE = frozenset({"NONE", "NOEMAIL", "NOTANEMAIL", "NOEMAILADDRESS"})
_NO_DOMAINS = frozenset({"none.com", "unknown.com"})
_NOBODYS_MAIL = frozenset({"NONE", "UNKNOWN", "NOTKNOWN", "NULL", "UNDEFINED", "NA", "TEST", "INCONNU", "UNBEKANNT"})
_HOST_WORDS = WORDS | {"EXAMPLE", "EMAIL", "MAIL", "NO", "NOREPLY", "DOMAIN", "INVALID", "LOCALHOST"} | _NO_MAIL
_LOCAL_WORDS = WORDS | {"NO", "NOREPLY", "YOUR", "YOUREMAIL", "USER", "EMAIL", "SOMEONE", "EXAMPLE", "123"} | _NO_MAIL


def is_placeholder(text: str) -> bool:
    """True for a word of the list, whatever signs and spaces it is written with, and for signs alone."""
    word = _folded(text)
    return not word or word in WORDS or bool(_ONE_LETTER.fullmatch(word))


def refuse_word(text: str) -> None:
    """NormalisationError for a value that says that there is none."""
    if 0 < len(text) <= _LONGEST and is_placeholder(text):
        raise placeholder()


def refuse_filler(digits: str) -> None:
    """NormalisationError for one digit over and over."""
    if digits and digits == digits[0] * len(digits):
        raise placeholder()


def refuse_nobody(name: str, key: str, birth: str) -> None:
    """NormalisationError for a name that names nobody, or half of somebody, and for a date that systems fill in; `key`
    is the name in capitals, its words sorted.
    """
    words = key.split()
    phrase = " ".join(sorted(set(words)))
    if birth in BIRTHS or phrase in NAME_PAIRS or not NOBODY.isdisjoint(words) or all(map(is_placeholder, words)):
        raise placeholder()
    if all(is_placeholder(word) for word in name.split()):
        raise placeholder()


def refuse_address(local: str, host: str, *, is_shared: bool) -> None:
    """NormalisationError for addresses such as none@none.com; `is_shared`: anybody may have one at this host."""
    who, where = _folded(local), _folded(host.split(".", 1)[0])
    if who in _NO_MAIL_ANYWHERE or (who in _NO_MAIL and (is_shared or where in _HOST_WORDS)):
        raise placeholder()
    if who in _LOCAL_WORDS and where in _HOST_WORDS | {who}:
        raise placeholder()
    if who in _NOBODYS_MAIL and is_shared:
        raise placeholder()
    if who == where and _ONE_SIGN.fullmatch(who):
        raise placeholder()


def placeholder() -> NormalisationError:
    """The refusal."""
    return NormalisationError(
        "a placeholder, which says that there is no value", "leave the row out, or take the value from its source"
    )


def refuse_domain(host: str) -> None:
    """NormalisationError for domains that stand where none is known."""
    if host in _NO_DOMAINS:
        raise placeholder()
