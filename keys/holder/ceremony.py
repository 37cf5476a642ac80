"""The dealt ceremony: one machine makes the key of an epoch, hands each holder its share, and forgets it.

1. Every home is there, its passphrase opens it, and it has no share of the epoch yet; else nothing is written.
2. The index of a holder is the order in which its home is named, from 1.
3. What is published is a draft: it counts when the registrars have signed it as a statement.
The machine sees the whole key for a moment. Hold the ceremony on one that is wiped afterwards; a key that nobody ever
holds needs a distributed ceremony.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from keys.holder.settings import (
    HolderConfig,
    HolderHomeError,
    list_share_epochs,
    open_settings,
    remove_share,
    write_share,
)
from keys.oprf.threshold import deal, verify_commitments
from keys.statements.keyring import EpochState
from schemas.holders import Holder
from schemas.terms import NORMALISATION
from schemas.values.encoding import to_base64

MIN_THRESHOLD = 2


class EpochDraft(msgspec.Struct, frozen=True, kw_only=True):
    """The epoch's statement as it is drafted: without number and time, which the exchange gives it."""

    type: str
    epoch: int
    state: str
    threshold: int
    public_key: str
    normalisation: str
    holders: list[Holder]


def hold_ceremony(
    homes: Sequence[tuple[HolderConfig, bytes]],
    epoch: int,
    threshold: int,
    publish: Callable[[EpochDraft], object] = lambda draft: None,
) -> EpochDraft:
    """Deal a new key to the homes (each with its passphrase); the draft of the epoch's statement, given to `publish`.

    If a share or the draft cannot be written, no home keeps a share. Raises HolderHomeError, CustodyError, OSError.
    """
    _check(homes, epoch, threshold)
    dealing = deal(None, threshold, len(homes))
    verify_commitments(dealing.group_public_key, dealing.commitments, threshold)
    holders = [
        Holder(
            index=share.index,
            holder_id=config.holder_id,
            url=config.url,
            commitment=dealing.commitments[share.index],
            verify_key=config.verify_key,
        )
        for (config, _), share in zip(homes, dealing.shares, strict=True)
    ]
    draft = EpochDraft(
        type="epoch",
        epoch=epoch,
        state=EpochState.CURRENT.value,
        threshold=threshold,
        public_key=to_base64(dealing.group_public_key),
        normalisation=NORMALISATION,
        holders=holders,
    )
    try:
        for (config, passphrase), share in zip(homes, dealing.shares, strict=True):
            write_share(config, epoch, share, passphrase)
        publish(draft)
    except BaseException:
        for config, _ in homes:
            remove_share(config, epoch)  # of this ceremony: no home had one before
        raise
    return draft


def _check(homes: Sequence[tuple[HolderConfig, bytes]], epoch: int, threshold: int) -> None:
    if not MIN_THRESHOLD <= threshold <= len(homes):
        raise HolderHomeError(f"the threshold lies between {MIN_THRESHOLD} and the number of homes")
    for what in ("home", "holder_id", "url", "verify_key"):
        if len({getattr(config, what) for config, _ in homes}) != len(homes):
            raise HolderHomeError(f"two of the homes have the same {what}")
    for config, passphrase in homes:
        if epoch in list_share_epochs(config):
            raise HolderHomeError(f"{config.home} has a share of epoch {epoch} already")
        open_settings(config, passphrase)
