"""What is sealed to this member of a query's texts, opened beside what the exchange shows.

The exchange cannot read what it shows: a paper opens with this member's encryption key alone, and only as the one that
the query's terms name by digest. None is sealed to a reviewer that was enrolled later: the texts are empty then. To its
own agency every paper is: an exchange that shows it none withholds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from keys.sealing.hybrid import EncryptionKey, SealingError
from keys.sealing.query_papers import PaperPlace, open_paper
from member.errors import AnswerError, HomeError
from member.identity.enrolment import ENCRYPTION_SECRET
from member.vault.store import Vault
from schemas.queries.messages import ExtensionGrounds, QueryGrounds, QueryHead, WholeQuery
from schemas.values.encoding import from_base64

_Paper = TypeVar("_Paper", QueryGrounds, ExtensionGrounds)


@dataclass(frozen=True)
class QueryPapers:
    """Opens what is sealed to the member, with the key in its vault."""

    vault: Vault
    member_id: str

    def grounds(self, query: QueryHead) -> QueryGrounds:
        """On what a query stands. AnswerError for what does not open or has another form."""
        return self._open(query, 0, query.paperwork_sha256, query.sealed, QueryGrounds)

    def reasons(self, query: WholeQuery) -> list[str]:
        """Why each of its extensions was made. AnswerError likewise."""
        return [
            self._open(query, position, one.reason_sha256, one.sealed, ExtensionGrounds).reason
            for position, one in enumerate(query.extensions, 1)
        ]

    def _open(self, query: QueryHead, position: int, sha256: str, sealed: str | None, form: type[_Paper]) -> _Paper:
        if sealed is None:
            if query.agency == self.member_id:
                detail = f"the exchange withholds texts of query {query.query_id}, which is of our own agency"
                raise AnswerError(detail, "tell the reviewer and the registrars")
            return form(**dict.fromkeys(form.__struct_fields__, ""))
        try:
            place = PaperPlace(query.query_id, position, self.member_id, from_base64(sha256, 32))
            return open_paper(from_base64(sealed), self._key(), place, form)
        except SealingError as error:
            raise AnswerError(
                f"texts of a query do not open: {error}", "tell the reviewer and the registrars"
            ) from error
        except ValueError as error:
            raise AnswerError("the exchange showed a query without its sealed texts") from error

    def _key(self) -> EncryptionKey:
        secret = self.vault.get("secret", ENCRYPTION_SECRET)
        if secret is None:
            raise HomeError("this vault has no encryption key", "restore it from a backup")
        return EncryptionKey(secret)
