"""`python -m member` is the `member` program."""

from __future__ import annotations

from member.commands.cli import main

main()
