"""A bank guesses, from the size and growth of the log and from its own entries, what it must not learn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.exchange.queries.guessing import Game, Guesser, Seen, chance_of

LEARNT_FROM = 60
GUESSED = {"sqlite": 200, "postgresql": 40}


def score(rounds: list[tuple[str, bool, Seen]], seed: int) -> Counter[str]:
    """How often the bank is right in the rounds that it did not learn from; in all, and by act."""
    coin, right = Random(seed), Counter[str]()
    known, asked = rounds[:LEARNT_FROM], rounds[LEARNT_FROM:]
    acts = {name for name, _, _ in rounds}
    guessers = {act: Guesser([(seen, hides) for name, hides, seen in known if name == act], coin) for act in acts}
    for name, hides, seen in asked:
        is_right = guessers[name].guess(seen) is hides
        right.update({"all": is_right, name: is_right})
    return right


@pytest.mark.timeout(1500)  # two thousand ticks of a log, each put on the disk
def test_a_bank_guesses_no_better_than_chance(database_url: str, tmp_path: Path) -> None:
    """It scores above 0.9 on the log of decision 7, over the same entries, with the same means."""
    guessed = GUESSED[database_url.partition(":")[0].partition("+")[0]]
    game = Game(database_url, tmp_path, seed=20261130, rounds=LEARNT_FROM + guessed)
    rounds = list(game.play())
    game.close()
    right = score([(name, hides, seen) for name, hides, seen, _ in rounds], seed=1)
    former = score([(name, hides, seen) for name, hides, _, seen in rounds], seed=1)
    assert chance_of(right["all"], guessed) > 0.01
    assert former["all"] > 0.9 * guessed
    for act in {name for name, *_ in rounds}:
        assert former[act] > 0.8 * guessed / 5, act
        assert len({seen for name, _, seen, _ in rounds if name == act}) == 1, act


@pytest.mark.parametrize(("right", "of", "chance"), [(100, 200, 1.0), (0, 10, 2 / 1024), (10, 10, 2 / 1024)])
def test_the_binomial_test_is_two_sided_and_exact(right: int, of: int, chance: float) -> None:
    assert chance_of(right, of) == pytest.approx(chance)
