"""How many bad inputs end in one line: `PYTHONPATH=.:tests python benchmarks/bad_inputs.py 1000 [SEED]`.

Draws that many calls and that many files by `tests/helpers/bad_inputs.py`, which says what ending well is,
tries those of `more_bad_inputs.py` too, and prints what did not end so. Needs a trained pico-7k in PYTHIA_HOME,
and changes nothing there.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections import Counter
from pathlib import Path

from helpers import bad_inputs, more_bad_inputs
from hypothesis import HealthCheck, Phase, given, seed, settings

from pythia_utils.suites.folders import home

SHOWN = 20


def main(count: int, start: int) -> None:
    importlib.import_module("pythia_utils.nano.train")  # torch takes seconds, which are no fault
    faults: Counter = Counter()
    trained = home()

    def judged(fault: str | None, what: object) -> None:
        faults[fault] += 1
        if fault and faults.total() - faults[None] <= SHOWN:
            print(f"{fault}: {what!r:.200}")

    how = settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate])
    how = settings(how, suppress_health_check=list(HealthCheck))
    with tempfile.TemporaryDirectory() as folder:
        world = bad_inputs.make_world(Path(folder), trained)

        @seed(start)
        @how
        @given(bad_inputs.wrong_calls())
        def calls(call: tuple[list[str], bool]) -> None:
            judged(bad_inputs.judge(world, *call), call[0])

        @seed(start)
        @how
        @given(bad_inputs.wrong_files(world))
        def files(file: tuple[str, bytes | None]) -> None:
            judged(bad_inputs.judge_file(world, *file), file)

        with world.entered():
            calls()
            files()
            for name, (path, content, call) in more_bad_inputs.files(world):
                judged(more_bad_inputs.with_content(world, path, content, call), name)
    print(f"{faults[None] / faults.total():.2%} of {faults.total()} ended well; {dict(faults)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
