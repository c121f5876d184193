"""negmas' stacked alternating offers with its own negotiators on problems from a file, everybody in a case the same.

Runs in an environment of its own and imports nothing of Tutti (negmas is under the AGPL: it is measured, never a dependency). Utilities are handed over as tables,
so that no loader of negmas' scales them.
"""

import json
import os
import sys
import time
import warnings
from importlib.metadata import version

from negmas import LinearAdditiveUtilityFunction, make_issue, make_os
from negmas.preferences.value_fun import TableFun
from negmas.sao import SAOMechanism
from negmas.sao.negotiators import (
    AspirationNegotiator,
    BoulwareTBNegotiator,
    ConcederTBNegotiator,
    LinearTBNegotiator,
    MiCRONegotiator,
)

NEGOTIATORS = {
    "boulware": BoulwareTBNegotiator,
    "aspiration": AspirationNegotiator,
    "linear": LinearTBNegotiator,
    "conceder": ConcederTBNegotiator,
    "micro": MiCRONegotiator,
}


def bargain(problem, negotiator, rounds):
    sizes = [len(column) for column in problem["parties"][0]["contrib"]]
    space = make_os([make_issue(size, f"issue {at}") for at, size in enumerate(sizes)])
    session = SAOMechanism(outcome_space=space, n_steps=rounds)
    for at, party in enumerate(problem["parties"]):
        values = [TableFun(dict(enumerate(column))) for column in party["contrib"]]
        wishes = LinearAdditiveUtilityFunction(values=values, weights=[1.0] * len(sizes), bias=0.0, reserved_value=party["reservation"], outcome_space=space)
        best = [max(range(size), key=column.__getitem__) for size, column in zip(sizes, party["contrib"], strict=True)]
        expected = sum(column[value] for column, value in zip(party["contrib"], best, strict=True))
        assert abs(float(wishes(tuple(best))) - expected) < 1e-9
        session.add(negotiator(name=f"party {at}"), ufun=wishes)
    agreement = session.run().agreement
    return None if agreement is None else [int(value) for value in agreement]


def main(request):
    warnings.simplefilter("ignore")
    with open(request["problems"], encoding="utf-8") as file:
        problems = json.load(file)
    offers, cpu = [], []
    for problem in problems:
        began = time.process_time()
        offers.append(bargain(problem, NEGOTIATORS[request["strategy"]], request["rounds"]))
        cpu.append(time.process_time() - began)
    print("BENCH-RESULT " + json.dumps({"offers": offers, "cpu": cpu, "versions": {"negmas": version("negmas")}}), flush=True)
    os._exit(0)


main(json.loads(sys.argv[1]))
