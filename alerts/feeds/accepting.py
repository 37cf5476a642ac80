"""Whether a client takes TAXII 2.1, by its Accept header (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from functools import lru_cache

from werkzeug.http import parse_options_header

from alerts.feeds.taxii import MEDIA_TYPE

_RANGES = {"*/*": 1, "application/*": 2, MEDIA_TYPE: 3}
_VERSION = "2.1"


@lru_cache(maxsize=256)
def accepts_taxii(accept: str) -> bool:
    """No header means anything goes; else the range that fits most closely decides."""
    fitting = [found for found in map(_read, accept.split(",")) if found is not None]
    return not accept.strip() or (bool(fitting) and max(fitting)[1] > 0)


@lru_cache(maxsize=256)
def names_taxii(accept: str) -> bool:
    """Whether the header names the media type itself, so that refusals may come in it too."""
    return accepts_taxii(accept) and any(found is not None and found[0] >= 3 for found in map(_read, accept.split(",")))


def _read(part: str) -> tuple[int, float] | None:
    """How closely a range fits, and its weight; None if it does not fit."""
    media_range, options = parse_options_header(part)
    closeness = _RANGES.get(media_range.lower())
    if closeness is None or options.get("version", _VERSION) != _VERSION:
        return None
    try:
        return closeness + ("version" in options), float(options.get("q", "1"))
    except ValueError:
        return None
