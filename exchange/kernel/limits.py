"""The limits of the rules that an operator may set (exchange/configuration/settings.py), as they usually are."""

from __future__ import annotations

IMMEDIATE_MINUTES = 15
"""How soon a request of the urgency `immediate` is answered."""
GRACE_MINUTES = 1440
"""How long after its time a request can still be answered."""
LONGEST_QUERY_DAYS = 365
"""The limit of a query's last day, and of each extension, from the day on which it is said."""
CORRECTION_HOURS = 72
"""How soon a correction is to be acknowledged."""
