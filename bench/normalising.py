"""Normalising: rows a second on one core, for each type in the ways members write it, for a mix, and from a file.

Prints one JSON line a figure. Costs are processor time of this thread. The reference, measured in the same rounds, is
the least that any handling of a row costs: SHA-256 of the value's bytes, one call a row.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

from member.indicators.intake import read_normalised
from member.normalise.rules import RULES, normalise
from member.normalise.wallet_encodings import BECH32, CHARSET, base58check_encode, bech32_constant

Values = list[tuple[str, str]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=20_000, help="rows of each type")
    arguments.add_argument("--rounds", type=int, default=5, help="the median of so many rounds counts")
    options = arguments.parse_args()
    made = random.Random(1)
    values = {kind: [(kind, MAKERS[kind](made)) for _ in range(options.rows)] for kind in RULES}
    mix = list(chain.from_iterable(values.values()))
    made.shuffle(mix)
    for kind, of_kind in values.items():
        report(f"normalise, {kind}", options.rounds, of_kind, partial(normalise_all, of_kind))
    report("normalise, all types mixed", options.rounds, mix, partial(normalise_all, mix))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mix.csv"
        write_csv(path, mix)
        report("check, read and normalise a file", options.rounds, mix, partial(read_all, path))


def normalise_all(values: Values) -> None:
    for kind, value in values:
        normalise(kind, value)


def read_all(path: Path) -> None:
    for _ in read_normalised(path):
        pass


def digest_all(values: Values) -> None:
    for _, value in values:
        hashlib.sha256(value.encode()).digest()


def write_csv(path: Path, values: Values) -> None:
    rows = (f'{kind},"{value}",mule account,2026-03-05,CASE-1\n' for kind, value in values)
    path.write_text("indicator_type,value,reason,first_seen,source_ref\n" + "".join(rows), encoding="utf-8")


def report(name: str, rounds: int, values: Values, work: Callable[[], None]) -> None:
    measured = [
        (cpu_seconds(work) / len(values), cpu_seconds(lambda: digest_all(values)) / len(values)) for _ in range(rounds)
    ]
    value = 1 / statistics.median(seconds for seconds, _ in measured)
    reference = 1 / statistics.median(seconds for _, seconds in measured)
    figure = {
        "name": name,
        "value": round(value),
        "unit": "rows/s",
        "reference": "SHA-256 of the value",
        "reference_value": round(reference),
        "ratio": round(value / reference, 3),
    }
    print(json.dumps(figure), flush=True)


def cpu_seconds(work: Callable[[], None]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def _digits(made: random.Random, count: int) -> str:
    return f"{made.randrange(10**count):0{count}d}"


def _bank_account(made: random.Random) -> str:
    sort_code, number = f"2{_digits(made, 5)}", f"1{_digits(made, 7)}"
    return made.choice((sort_code + number, f"{sort_code[:2]}-{sort_code[2:4]}-{sort_code[4:]} {number}"))


def _iban(made: random.Random) -> str:
    account = _digits(made, 18)
    number = f"DE{98 - int(account + '131400') % 97:02d}{account}"
    return made.choice((number, " ".join(number[start : start + 4] for start in range(0, 22, 4))))


def _wallet(made: random.Random) -> str:
    base58 = base58check_encode(b"\0" + made.randbytes(20))
    data = "q" + "".join(made.choices(CHARSET, k=32))
    sum_over = bech32_constant("bc", data + "qqqqqq") ^ BECH32
    bech32 = "bc1" + data + "".join(CHARSET[sum_over >> 5 * (5 - place) & 31] for place in range(6))
    return made.choice((base58, base58, f"0x{made.getrandbits(160):040x}", bech32))


def _phone(made: random.Random) -> str:
    number = _digits(made, 6)
    return made.choice((f"+442079{number}", f"442079{number}", f"+44 (0)20 79{number[:2]} {number[2:]}"))


def _email(made: random.Random) -> str:
    return f"Anna.Example{_digits(made, 6)}@mail{_digits(made, 2)}.example.com"


def _domain(made: random.Random) -> str:
    name = f"bank-{_digits(made, 6)}.example.com"
    return made.choice((name, name, f"https://www.{name}/login?x=1", name.replace("a", "ä", 1)))


def _company(made: random.Random) -> str:
    return made.choice((f"GB:{made.randrange(1, 10**7):07d}", f"DE:HRB {_digits(made, 6)}", f"RU:{_digits(made, 13)}"))


def _lei(made: random.Random) -> str:
    code = f"000000EX{_digits(made, 10)}"
    return f"{code}{98 - int('00000014' + '33' + code[8:] + '00') % 97:02d}"


def _person(made: random.Random) -> str:
    name = made.choice(("EXAMPLE-O'NEILL, Anna Lena", "Anna Example", "EXAMPLE, José Łukasz", "Анна Примерова"))
    born = f"{made.randrange(1930, 2005)}-0{made.randrange(1, 10)}-{made.randrange(10, 29)}"
    return f"{name} {made.choice('ABCDEFGH')}|{born}"


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "bank_account": _bank_account,
    "iban": _iban,
    "wallet": _wallet,
    "phone": _phone,
    "email": _email,
    "domain": _domain,
    "company_number": _company,
    "lei": _lei,
    "person": _person,
}


if __name__ == "__main__":
    main()
