"""An `exchange` that stores the parts of submissions in slices of few rows, so that kills fall between them too."""

from __future__ import annotations

from exchange.programs.cli import main
from exchange.submissions import submit as submit_indicators

if __name__ == "__main__":
    setattr(submit_indicators, "SLICE_ROWS", 7)  # noqa: B010
    main()
