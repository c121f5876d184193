"""`python -m bench NAME... | --all [--quick] [--rounds N] [--out FILE]`: JSON lines on the standard output, a summary on the other one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.benches import BENCHES, told
from bench.harness import Bench, RoundFailed, rounded


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Tutti, with peers beside it.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(BENCHES)}")
    parser.add_argument("--all", action="store_true", help="measure everything")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, one round: to see that it works")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of which the median is taken (3; 1 with --quick)")
    parser.add_argument("--out", type=Path, help="also append the lines to this file")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown or not (arguments.names or arguments.all):
        parser.error(f"there is no bench {', '.join(unknown)}" if unknown else f"name a bench ({', '.join(BENCHES)}) or give --all")

    def out(line: str) -> None:
        print(line, flush=True)
        if arguments.out:
            with arguments.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    bench = Bench(arguments.quick, arguments.rounds or (1 if arguments.quick else 3), out)
    failed = False
    for name in BENCHES if arguments.all else arguments.names:
        try:
            with told(name):
                BENCHES[name](bench)
        except RoundFailed as error:
            bench.skip(name, str(error))
            failed = True
    for figure in bench.figures:
        verdict = "" if figure.holds is None else f"   {'holds' if figure.holds else 'MISSED'}: {figure.target}"
        print(f"{figure.name:52s} {rounded(figure.value):>12g} {figure.unit}{verdict}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
