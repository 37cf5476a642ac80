"""What is sealed to this member of a query's texts, opened and put in its place in what the exchange shows.

The exchange cannot read what it shows: a paper opens with this member's encryption key alone, and only as the one that
the query's terms name by digest. None is sealed to a reviewer that was enrolled later: the texts are empty then. To its
own agency every paper is: an exchange that shows it none withholds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keys.sealing.hybrid import EncryptionKey, SealingError
from keys.sealing.query_papers import GROUNDS, REASON, PaperPlace, open_paper
from member.errors import AnswerError, HomeError
from member.identity.enrolment import ENCRYPTION_SECRET
from member.vault.store import Vault
from schemas.values.encoding import from_base64


@dataclass(frozen=True)
class QueryPapers:
    """Opens what is sealed to the member, with the key in its vault."""

    vault: Vault
    member_id: str

    def open_query(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """A query as shown on the wire, with its texts. AnswerError for what does not open or has another form."""
        try:
            if str(query["agency"]) == self.member_id:
                _require_papers(query)
            opened = {**query, **self._open(query, 0, query["paperwork_sha256"], query["sealed"])}
            if "extensions" in query:
                opened["extensions"] = [
                    {**one, **self._open(query, position, one["reason_sha256"], one["sealed"])}
                    for position, one in enumerate(query["extensions"], 1)
                ]
        except SealingError as error:
            raise AnswerError(
                f"texts of a query do not open: {error}", "tell the reviewer and the registrars"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError("the exchange showed a query without its sealed texts") from error
        return opened

    def _open(self, query: Mapping[str, Any], position: int, sha256: str, sealed: str | None) -> dict[str, str]:
        place = PaperPlace(str(query["query_id"]), position, self.member_id, from_base64(sha256, 32))
        if sealed is None:
            return dict.fromkeys(GROUNDS if position == 0 else REASON, "")
        return open_paper(from_base64(sealed), self._key(), place)

    def _key(self) -> EncryptionKey:
        secret = self.vault.get("secret", ENCRYPTION_SECRET)
        if secret is None:
            raise HomeError("this vault has no encryption key", "restore it from a backup")
        return EncryptionKey(secret)


def _require_papers(query: Mapping[str, Any]) -> None:
    """AnswerError if a text of our own agency's is not shown."""
    if any(one["sealed"] is None for one in (query, *query.get("extensions", ()))):
        detail = f"the exchange withholds texts of query {query['query_id']}, which is of our own agency"
        raise AnswerError(detail, "tell the reviewer and the registrars")
