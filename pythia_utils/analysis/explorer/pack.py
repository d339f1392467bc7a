"""A frame as text that a page holds: columns, each in few bytes, deflated and in base64.

A column of names is its distinct values and a number a row. One of numbers is float32 with 17 bits of
fraction, an error of four millionths at the most. Both go as planes, all first bytes, then all second
ones, for these are alike. `book/_static/explorer/columns.js` reads it.
"""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pandas as pd

_DROPPED = 23 - 17  # bits of a float32's fraction


def pack(frame: pd.DataFrame) -> str:
    """The frame's columns, in base64.

    Args:
        frame: columns of text, or of numbers, NaN where there is none; whole ones below 2**31 as int64.

    Raises:
        ValueError: a whole number of more than 31 bits, or an infinite one.
    """
    heads, bodies = [], []
    for name in frame:
        head, body = _column(frame[name])
        heads.append({"name": name, **head})
        bodies.append(body)
    head = json.dumps({"rows": len(frame), "columns": heads}, ensure_ascii=False).encode()
    whole = len(head).to_bytes(4, "little") + head + b"".join(bodies)
    squeezed = zlib.compressobj(9, wbits=-15)
    return base64.b64encode(squeezed.compress(whole) + squeezed.flush()).decode()


def _column(column: pd.Series) -> tuple[dict, bytes]:
    if pd.api.types.is_integer_dtype(column.dtype):
        return {"type": "int32"}, _planes(_int32(column))
    if pd.api.types.is_float_dtype(column.dtype):
        return {"type": "float32"}, _planes(rounded(column.to_numpy(float)))
    codes, names = pd.factorize(column)
    return {"type": "names", "names": [str(name) for name in names]}, _planes(codes.astype("<i4"))


def _int32(column: pd.Series) -> np.ndarray:
    values = column.to_numpy("int64")
    if len(values) and np.abs(values).max() >= 2**31:
        raise ValueError(f"{column.name}: {np.abs(values).max()} does not fit 32 bits")
    return values.astype("<i4")


def rounded(values: np.ndarray) -> np.ndarray:
    """The nearest float32 with 17 bits of fraction, as they are packed; NaN stays NaN."""
    if np.isinf(values).any():
        raise ValueError("an infinite number cannot be drawn")
    bits = np.nan_to_num(values, nan=0.0).astype("<f4").view("<u4").astype("uint64")
    kept = (bits + (1 << (_DROPPED - 1))) >> _DROPPED << _DROPPED
    near = kept.astype("<u4").view("<f4")
    return np.where(np.isnan(values), np.float32("nan"), near).astype("<f4")


def _planes(values: np.ndarray) -> bytes:
    """All first bytes of 32-bit numbers, then all second ones, and so on."""
    return values.view("u1").reshape(-1, 4).T.tobytes()
