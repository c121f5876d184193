"""Run many seeds: `python -m tests.simulation --seeds 1000 [--from 0] [--processes 2] [--part conflicts]`. Exit 1 when one fails."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sim_conflicts import run_market
from sim_parties import run_table
from sim_run import Result, run_seed

PARTS = {"day": run_seed, "conflicts": run_market, "negotiation": run_table}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--part", choices=sorted(PARTS), default="day", help="a company's day, opposing actions, or negotiations")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--show", type=int, default=10, help="failing seeds to print")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    started = time.perf_counter()
    crashes: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    bad: list[Result] = []
    tasks = effects = 0
    with ProcessPoolExecutor(chosen.processes) as pool:
        for result in pool.map(PARTS[chosen.part], range(chosen.first, chosen.first + chosen.seeds), chunksize=5):
            crashes.update(result.crashes)
            stages.update(result.stages)
            tasks += result.tasks
            effects += result.effects
            if result.violations:
                bad.append(result)
                if len(bad) <= chosen.show:
                    print(f"seed {result.seed}:", *result.violations[:6], sep="\n  ", flush=True)
    took = time.perf_counter() - started
    print(f"{chosen.seeds} seeds, {len(bad)} failed; {tasks} tasks, {effects} effects, {crashes.total()} crashes; {chosen.seeds / took:.1f} seeds/s")
    print("crashes:", dict(crashes.most_common()))
    print("open tasks at the crashes, by stage:", dict(stages.most_common()))
    if bad:
        print("failing seeds:", [result.seed for result in bad][:50])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
