"""A batch as people read it: its pieces of documents, their text, and the tokenizer that says so.

Documents end with an end-of-text token. A sequence is cut without regard to them, so its first piece
may lack a beginning and its last one an end. No torch, no transformers: a page opens in a second.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.analysis import stats
from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.base.files import local_path
from pythia_utils.base.http import FetchError
from pythia_utils.base.markup import NO_MATHS, html
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.suites.folders import suite_folder
from pythia_utils.suites.shared_tokenizer import tokenizer_file

if TYPE_CHECKING:
    import pandas as pd
    from tokenizers import Tokenizer

END_OF_TEXT = 0  # in Pythia's tokenizer and in ours


def open_tokenizer(model: Model, file: str | Path | None = None) -> Tokenizer:
    """A model's tokenizer: the corpus's for ours, the Hub's for Pythia, or a `tokenizer.json` at hand.

    Raises:
        UsageError: the file is missing or no tokenizer, or the Hub does not deliver it.
    """
    from tokenizers import Tokenizer

    path = local_path(file) if file else _tokenizer_file(model)
    if not path.is_file():
        hint = "" if file or model.repo_id else f"; run: pythia train {model.suite}"
        raise UsageError(f"there is no tokenizer {path}{hint}")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise UsageError(f"{path} is not a tokenizer: {first_line(error)}") from None
    if not tokenizer.get_vocab_size():
        raise UsageError(f"{path} is not a tokenizer: it has no tokens")
    return tokenizer


def _tokenizer_file(model: Model) -> Path:
    if model.own:
        raise UsageError(
            f"{model.name} is of a suite of your own; give a copy of its tokenizer.json"
        )
    if model.repo_id is None:
        return suite_folder(model.suite) / "corpus" / "tokenizer.json"
    try:
        return tokenizer_file(model)
    except FetchError as error:
        raise UsageError(
            f"the tokenizer of {model.repo_id} cannot be fetched ({first_line(error)}); "
            "give a copy of its tokenizer.json"
        ) from None


def shown_step(checkpoint: Checkpoint) -> int:
    """The run's own step whose batch is shown for a checkpoint: the next it reads; the last at the end."""
    return min(checkpoint.true_step, checkpoint.model.total_steps - 1)


def pieces(batch: np.ndarray, end: int = END_OF_TEXT) -> pd.DataFrame:
    """Cut the sequences of a batch after each end-of-text token.

    Args:
        batch: int (sequences, tokens).
        end: the token that ends a document.

    Returns:
        A row a piece, in order: row, at, length, and whether the document `ends` there.
    """
    import pandas as pd

    last = batch == end
    ends = last.copy()
    ends[:, -1] = True  # a sequence's end cuts as well
    row, stop = np.nonzero(ends)
    starts = np.zeros(len(row), dtype=np.int64)
    starts[1:] = np.where(row[1:] == row[:-1], stop[:-1] + 1, 0)
    columns = {"row": row, "at": starts, "length": stop + 1 - starts, "ends": last[row, stop]}
    return pd.DataFrame(columns)


def texts(batch: np.ndarray, cut: pd.DataFrame, tokenizer: Tokenizer) -> list[str]:
    """The decoded text of each piece, without its end-of-text token."""
    spans = zip(cut["row"], cut["at"], cut["length"], strict=True)
    tokens = [batch[row, at : at + length].tolist() for row, at, length in spans]
    return tokenizer.decode_batch(tokens, skip_special_tokens=True)


def sequence_texts(batch: np.ndarray, tokenizer: Tokenizer) -> list[str]:
    """The decoded text of each sequence, a document a paragraph, `<|endoftext|>` after each that ends."""
    cut = pieces(batch)
    cut["text"] = texts(batch, cut, tokenizer)
    mark = tokenizer.id_to_token(END_OF_TEXT)
    cut["text"] += np.where(cut["ends"], f"{mark}\n", "")
    return cut.groupby("row")["text"].agg("".join).tolist()


def tokens_of(text: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens of a text that is to be searched for: as the tokenizer cuts it where it stands alone.

    Raises:
        UsageError: no text, or one that the tokenizer has no tokens for.
    """
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    read = tokenizer.decode(tokens, skip_special_tokens=False)
    # Some tokenizers put a blank before a word, and some compose its letters with their accents.
    if not tokens or read.strip() != unicodedata.normalize("NFC", text).strip():
        raise UsageError(f"cannot search for {text!r}: the tokenizer reads {read!r}")
    return tokens


def measures(batch: np.ndarray, cut: pd.DataFrame) -> list[dict]:
    """The numbers of a batch, as rows for `records.record`.

    Args:
        batch: int (sequences, tokens).
        cut: its pieces; with the columns of `occurrences.occurrences` where the truth is known.

    Returns:
        distinct_tokens, a count of this very batch and so without a standard error. If documents
        are marked in it: piece_length (tokens), pieces_per_sequence. If the truth is known:
        token_share of each domain, errors over sequences; read_before and has_other_copies, the
        shares of pieces whose text was read before, or has another copy in the training at all.
    """
    rows = [{"metric": "distinct_tokens", "value": len(np.unique(batch)), "n": batch.size}]
    if cut["ends"].any():
        counts = {"piece_length": cut["length"], "pieces_per_sequence": cut.groupby("row").size()}
        for metric, values in counts.items():
            value, stderr = stats.mean_and_stderr(values)
            rows.append({"metric": metric, "value": value, "stderr": stderr, "n": len(values)})
    return rows + (_known_measures(cut) if "domain" in cut else [])


def _known_measures(cut: pd.DataFrame) -> list[dict]:
    from pythia_utils.analysis.training_data.mix import tokens_by_domain

    rows = []
    tokens = tokens_by_domain(cut)
    for domain in tokens:
        value, stderr = stats.ratio_and_stderr(tokens[domain], tokens.sum(axis=1))
        row = {"metric": "token_share", "subset": domain, "value": value, "stderr": stderr}
        rows.append(row | {"n": len(tokens)})
    shares = {"read_before": cut["earlier"] > 0, "has_other_copies": cut["others"] > 0}
    for metric, hits in shares.items():
        stderr = stats.proportion_stderr(hits.sum(), len(hits))
        rows.append({"metric": metric, "value": hits.mean(), "stderr": stderr, "n": len(hits)})
    return rows


def most_frequent(batch: np.ndarray, tokenizer: Tokenizer, n: int = 20) -> pd.DataFrame:
    """The most frequent tokens: columns token (as text; a space is shown as `␣`), count, share."""
    import pandas as pd

    ids, counts = np.unique(batch, return_counts=True)
    order = np.lexsort((ids, -counts))[:n]
    names = [_readable(tokenizer, int(token)) for token in ids[order]]
    frame = pd.DataFrame({"token": names, "count": counts[order]})
    return frame.assign(share=frame["count"] / batch.size)


def _readable(tokenizer: Tokenizer, token: int) -> str:
    """A token as text. Byte-level tokenizers write a space as `Ġ` and a line's end as `Ċ`."""
    name = tokenizer.id_to_token(token) or f"token {token}"
    return name.replace("Ġ", "␣").replace("Ċ", "⏎")


def as_html(shown: pd.DataFrame, colours: Mapping[str, str], most: int = 1500) -> str:
    """The pieces of a sequence, one below the other, as HTML.

    Args:
        shown: pieces with their `text`; with the columns of `occurrences.occurrences` where the
            truth is known.
        colours: by domain, for a line beside each piece; grey without one.
        most: characters of a piece; the rest is left out.
    """
    return "".join(_piece_html(piece, colours, most) for piece in shown.itertuples())


def _piece_html(piece, colours: Mapping[str, str], most: int) -> str:
    colour = colours.get(getattr(piece, "domain", ""), "#888888")
    end = "▪ end of text" if piece.ends else "… cut"
    line = f"border-left: 4px solid {html(colour)}; padding-left: 0.7rem; margin: 0.4rem 0"
    return (
        f'<div class="{NO_MATHS}" style="{line}">'
        f'<div style="font-size: 0.75rem; opacity: 0.75">{html(_label(piece))}</div>'
        f'<div style="font-size: 0.85rem; white-space: pre-wrap">{_shortened(piece.text, most)} '
        f'<span style="opacity: 0.75; white-space: nowrap">{end}</span></div></div>'
    )


def _label(piece) -> str:
    """What is known of a piece, in a line."""
    if not hasattr(piece, "domain"):
        return f"{piece.length:,} tokens from position {piece.at}"
    copies = f"{piece.earlier} of {piece.others} other copies read before"
    start = f" from token {piece.offset}" if piece.offset else ""
    where = f"{piece.domain} · document {piece.document:,}{start}"
    return f"{where} · {copies if piece.others else 'the only copy'}"


def _shortened(text: str, most: int) -> str:
    text = text.strip()
    left_out = len(text) - most
    more = f" [… {left_out:,} characters more]" if left_out > 0 else ""
    return html(text[:most] + more)
