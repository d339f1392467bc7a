"""The site's page about the runs themselves: what is done, stale, failed or missing, what each took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from pythia_utils.base.markup import code, markdown
from pythia_utils.base.units import duration, show_size
from pythia_utils.grid.status import STATES, Status, SuiteStatus, cost, cost_text, count
from pythia_utils.site.contents import Contents
from pythia_utils.site.tables import folded, table

_CELLS_SHOWN = 400  # of an experiment; of more there is a row for each model
_PROBLEMS_SHOWN = 20  # one by one; of more there is a row for each model and reason


def status_page(contents: Contents, found: SuiteStatus) -> str:
    """The text of `status.md`."""
    config, suite = contents.config, contents.suite.name
    profile, statuses = found.profile, found.statuses
    parts = ["# Status of the runs"]
    if profile is None:
        return "\n\n".join([*parts, f"No profile is a grid of suite *{markdown(suite)}*.", ""])
    groups = _groups(statuses, lambda status: status.cell.experiment)
    due = sum(status.state != "done" for status in statuses)
    parts += [
        f"The grid is that of the profile {code(profile)} and suite *{markdown(suite)}*: each experiment's "
        "notebooks and its chapter. A run is *stale* if something that it depends on has changed since: its "
        "notebook, its parameters, code, libraries, files that it reads, its checkpoint. Seconds are "
        "wall time; memory is the most that the notebook's process and its children held. The same "
        f"table, now: {code(f'pythia status --profile {profile}')}.",
        f"Next run: {cost_text(due, *cost(statuses))}.",
        _totals("experiment", groups, statuses),
    ]
    for name, own in groups.items():
        parts += [f"## {markdown(config.title(name))}", *_details(own)]
    return "\n\n".join(parts) + "\n"


def _groups(statuses: Sequence[Status], key: Callable[[Status], Any]) -> dict[Any, list[Status]]:
    groups: dict[Any, list[Status]] = {}
    for status in statuses:
        groups.setdefault(key(status), []).append(status)
    return groups


def _totals(what: str, groups: dict[str, Sequence[Status]], together: Sequence[Status] = ()) -> str:
    """A table with a row for each group, and for all if asked: how many in each state, what they took."""
    named = [(markdown(name), own) for name, own in groups.items()]
    named += [("**all**", together)] if together else []
    rows = [[name, *map(str, count(own).values()), *_took(own)] for name, own in named]
    header = [what, *STATES, "total time", "median", "peak memory", "device"]
    return table(header, rows, "suite")


def _took(statuses: Sequence[Status]) -> list[str]:
    """Total and median time, peak memory and devices of some cells, as far as they are known."""
    entries = [status.entry for status in statuses if status.entry]
    seconds = [entry["seconds"] for entry in entries]
    peaks = [peak for entry in entries if (peak := entry.get("peak_memory_bytes"))]
    devices = sorted({device for entry in entries if (device := entry.get("device"))})
    return [
        duration(sum(seconds)) if seconds else "–",
        duration(median(seconds)) if seconds else "–",
        show_size(max(peaks)) if peaks else "–",
        markdown(", ".join(devices) or "–"),
    ]


def _details(own: Sequence[Status]) -> list[str]:
    """What needs a look, in the open; every cell in a box that opens."""
    if len(own) <= _CELLS_SHOWN:
        rows = [[markdown(_short(s)), s.state, *_one(s)] for s in own]
        inside = table(["run", "state", "time", "peak memory", "device", "page"], rows, "suite")
    else:
        inside = _totals("model", _groups(own, _model_of))
    title = "The run" if len(own) == 1 else f"All {len(own):,} runs"
    return [*_problems(own), folded(title, inside)]


def _short(status: Status) -> str:
    """A run's name without suite and experiment."""
    return status.cell.id.split("/", 2)[2]


def _model_of(status: Status) -> str:
    return status.cell.parameters.get("model", "chapter")


def _problems(own: Sequence[Status]) -> list[str]:
    """A table of what is not done, with the reasons; if that is much, a row for each model and reason."""
    problems = [status for status in own if status.state != "done"]
    if len(problems) <= _PROBLEMS_SHOWN:
        rows = [[markdown(s.cell.id), s.state, _why(s)] for s in problems]
        return [table(["run", "state", "why"], rows, "suite")] if rows else []
    kinds = _groups(problems, lambda s: (_model_of(s), s.state, _why(s)))
    rows = [[markdown(m), state, f"{len(of):,}", why] for (m, state, why), of in kinds.items()]
    summary = table(["model", "state", "runs", "why"], rows[:_CELLS_SHOWN], "suite")
    return [summary if len(rows) <= _PROBLEMS_SHOWN else folded("What is not done", summary)]


def _one(status: Status) -> list[str]:
    row = status.row()
    return [
        f"{row['seconds']:.1f} s" if row["seconds"] is not None else "–",
        show_size(row["peak_memory_bytes"]) if row["peak_memory_bytes"] else "–",
        markdown(row["device"] or "–"),
        markdown((row["finished"] or "–").replace("T", " ").removesuffix("+00:00")),
    ]


def _why(status: Status) -> str:
    text = status.entry.get("error") if status.state == "failed" else status.reason
    return markdown(text or "")
