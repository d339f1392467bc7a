"""`pythia batch --find`: where training reads a text. Places are printed as they are found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pythia_utils.base.progress import Bar, say
from pythia_utils.base.units import show_size
from pythia_utils.cli.options import ask_above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pythia_utils.training_data.seen import Occurrences
    from pythia_utils.training_data.source import TrainingData

_COLUMNS = ("step", "row", "position", "offset")


def find(
    data: TrainingData,
    text: str,
    tokens: list[int],
    steps: list[int],
    *,
    as_json: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Search the batches of some steps, in this order, and print where a text's tokens stand.

    A line a place as they are found, or one JSON object in the end. Exits with 1 if they stand nowhere.
    """
    from pythia_utils.training_data.seen import find_tokens

    found = find_tokens(data, tokens, steps)
    size = len(steps) * data.batch_bytes
    if not quiet:
        many = f"{len(steps)} step{'s' * (len(steps) != 1)} of {data.name}"
        where = "fetch" if data.is_remote else "read"
        say(f"{many}: tokens {tokens}; {show_size(size)} to {where}")
    ask_above(size if data.is_remote else 0, yes)
    places = []
    with Bar(len(steps), "searched", "step", quiet=quiet) as bar:
        for place in (
            place for each in bar.over(found) for place in _places(each, data.batch_size)
        ):
            if not as_json:
                for line in (place,) if places else (_COLUMNS, place):
                    bar.result("\t".join(map(str, line)))
            places.append(place)
    if as_json:
        rows = [dict(zip(_COLUMNS, place, strict=True)) for place in places]
        origin = {"model": data.model.name, **data.provenance(), "text": text, "tokens": tokens}
        click.echo(json.dumps(origin | {"steps_searched": len(steps), "places": rows}))
    if not places:
        say(f"{text!r} is not in these steps")
        raise click.exceptions.Exit(1)


def _places(found: Occurrences, batch_size: int) -> Iterator[tuple[int, int, int, int]]:
    """Step, row in its batch, position of that row in the training, offset of the first token in it."""
    columns = (column.tolist() for column in found)
    for step, row, offset in zip(*columns, strict=True):
        yield step, row, step * batch_size + row, offset
