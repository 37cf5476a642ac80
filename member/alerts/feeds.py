"""Where the feeds of a group's alerts are, for existing tools (docs/wire-format.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FORMS = {
    "Atom": "/feeds/{group}.atom",
    "JSON Feed": "/feeds/{group}.json",
    "MISP": "/feeds/misp/{group}/",
}
_TAXII = "/taxii2/"


def feed_addresses(exchange_url: str, groups: Iterable[str]) -> Sequence[dict[str, str]]:
    """Every feed of the groups, with its form and its URL; the TAXII server, which lists its collections itself, is
    one of them.
    """
    found = [{"form": "TAXII 2.1", "group": "", "url": f"{exchange_url}{_TAXII}"}]
    for group in groups:
        found += [
            {"form": form, "group": group, "url": exchange_url + path.format(group=group)}
            for form, path in FORMS.items()
        ]
    return found
