"""What the member program tells its user when it cannot go on: a type for programs, a sentence and a hint for people.

No message carries a key, a token or an identifier other than one the user has just typed. The command line alone makes
an exit code of them.
"""

from __future__ import annotations

from typing import Any

from member.next_steps import Next, Steps

FAILED = 1
USAGE_ERROR = 2
_FIRST_OF_CLIENT, _FIRST_OF_SERVER = 400, 500
_MAY_PASS = {401, 408, 429}
"""A wrong clock, a slow network, a limit: the same request may be taken later."""


_MAX_QUOTED = 80


def quoted(text: str) -> str:
    """What was typed, in quotes, as far as it need be seen to be known again."""
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…")


class MemberError(Exception):
    """Refused or failed. `slug` is stable, `detail` says what, `hint` what to do, `then` which acts do it (a face says
    how they are done), `fields` travel in the JSON form.
    """

    slug = "failed"
    exit_code = FAILED

    def __init__(
        self, detail: str, hint: str | None = None, *, slug: str | None = None, then: Steps = (), **fields: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.then = (then,) if isinstance(then, Next) else tuple(then)
        self.slug = slug or self.slug
        self.fields = fields

    def document(self) -> dict[str, object]:
        """The error as it stands in `--json` output."""
        body: dict[str, object] = {"type": self.slug, "detail": self.detail, **self.fields}
        if self.hint is not None:
            body["hint"] = self.hint
        return {"error": body}


class UsageError(MemberError):
    """The command was called in a way that can never work."""

    slug = "usage"
    exit_code = USAGE_ERROR


class HomeError(MemberError):
    """The home directory is missing, incomplete or not ours."""

    slug = "home"


class PassphraseError(MemberError):
    """No passphrase, or a wrong one."""

    slug = "passphrase"


class VaultError(MemberError):
    """The vault cannot be opened or written."""

    slug = "vault"


class WrongKeyError(VaultError):
    """The vault is not under this key, or is not this member's."""


class VaultTamperedError(VaultError):
    """A record of the vault is not what this vault wrote there."""

    slug = "vault_tampered"


class NotEnrolledError(MemberError):
    """The registrars have not signed this member, this group or this epoch (yet)."""

    slug = "not_enrolled"


class AnswerError(MemberError):
    """A server answered something that does not follow the wire form, or whose signature is wrong."""

    slug = "bad_answer"


class UnreachableError(MemberError):
    """A server could not be reached, or stayed busy, for as long as we were willing to try."""

    slug = "unreachable"


class RefusedError(MemberError):
    """A server understood and refused; slug and detail are those of its problem document. `is_foreign`: it came without
    one, from something in between.
    """

    slug = "refused"

    def __init__(
        self,
        detail: str,
        hint: str | None = None,
        *,
        slug: str,
        status: int,
        is_foreign: bool = False,
        then: Steps = (),
        **fields: Any,
    ) -> None:
        super().__init__(detail, hint, slug=slug, then=then, status=status, **fields)
        self.status = status
        self.is_foreign = is_foreign
        self.follows_loss = False
        """Whether the same request had left before, within the same call, and its answer was lost."""

    @property
    def is_final(self) -> bool:
        """Whether the server has not done what was asked, and never will do it for these very bytes."""
        is_clients = _FIRST_OF_CLIENT <= self.status < _FIRST_OF_SERVER
        is_answered = not (self.is_foreign or self.follows_loss)
        return is_clients and self.status not in _MAY_PASS and is_answered
