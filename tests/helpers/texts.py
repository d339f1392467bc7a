"""Texts to measure the loss on: WikiText's Parquet in small, and what serves it as the Hub does."""

from __future__ import annotations

import io

from pythia_utils.evaluation.text_names import HUB_TEXTS

# WikiText's own file: a line each, blank ones a blank and a line's end.
WIKITEXT = (
    ' \n = Robert Boulter = \n \n Robert Boulter ( born 1 @.@ 5 ) is an actor , and " he " can \' t . \n'
    " He has 3 @,@ 000 well @-@ known roles : few ; the brothers ' last N 's ! \n \n = = Career = = \n \n"
    " = = = 2000 – 2005 = = = \n \n In 2000 Boulter had a role at 20 ° north . \n \n \n"
    " = Du Fu = \n \n Du Fu was a poet { of } the [ Tang ] dynasty . \n \n"
)


def parquet(rows: list[dict]) -> bytes:
    """A Parquet file of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def wikitext_rows(text: str = WIKITEXT) -> list[dict]:
    """The rows of the Hub's data set: lines, blank ones empty."""
    lines = text.splitlines(keepends=True)
    return [{"text": line if line.strip() else ""} for line in lines]


def wikitext_repository(text: str = WIKITEXT) -> dict[str, dict[str, dict[str, bytes]]]:
    """What `serve_hub` serves as WikiText, at the pinned commit."""
    place = HUB_TEXTS["wikitext"]
    files = {place.file: parquet(wikitext_rows(text)), "README.md": b"WikiText"}
    return {f"datasets/{place.repository}": {place.commit: files}}
