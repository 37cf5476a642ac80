"""An `exchange` that stores the parts of submissions in slices of few rows, so that kills fall between them too."""

from __future__ import annotations

from exchange.cli import main
from exchange.services import submit_indicators

if __name__ == "__main__":
    setattr(submit_indicators, "SLICE_ROWS", 7)  # noqa: B010
    main()
