"""Made-up records of patching: attraction that comes, one head that carries it, and a recovery."""

from __future__ import annotations

from pythia_utils.analysis.lens.names import AGREEMENT

LAYERS, HEADS = 2, 6


def rows(
    step: int,
    best: str = "head 1.2",
    share: float = 0.7,
    attraction: float = 1.0,
    twin: float = 0.5,
) -> list[dict]:
    """What a checkpoint's notebook records: before training nothing, later an attraction that one head carries.

    Args:
        step: training step; none has an attraction at 0.
        best: the head that carries it.
        share: what it restores.
        attraction: in nats, after step 0.
        twin: margin of the twins, in nats, after step 0.
    """
    attraction, twin = (attraction, twin) if step else (0.01, 0.0)
    shares = {f"head {k}.{h}": 0.02 for k in range(LAYERS) for h in range(HEADS)} | {best: share}
    shares |= {f"mlp {k}": 0.8 if k == 0 else 0.1 for k in range(LAYERS)}
    shares |= {"all heads": 1.0, "all mlps": 0.9, "embedding": 0.0, "everything": 1.0}
    for layer in range(LAYERS + 1):
        moved = layer / LAYERS
        shares |= {f"stream {layer} changed": 1 - moved, f"stream {layer} between": 0.0}
        shares |= {f"stream {layer} last": moved}
    mean = (share + 0.02 * (LAYERS * HEADS - 1)) / (LAYERS * HEADS)
    summaries = {"best head": share, "mean head": mean, "interaction": -0.6}
    single = {name: x for name, x in shares.items() if name.startswith(("head", "mlp"))}
    found = []
    for name in AGREEMENT:
        values = {"margin_tempted": twin - attraction, "margin_twin": twin}
        values |= {"attraction_nats": attraction, "accuracy_tempted": 0.4 if step else 0.5}
        found += [_row(metric, name, value, 0.05) for metric, value in values.items()]
        both = shares | summaries
        found += [_row("moved", f"{name}: {p}", x * attraction) for p, x in both.items()]
        found += [_row("moved_by_another", f"{name}: {p}", 0.01) for p in single]
        if step:
            found += [_row("restored", f"{name}: {p}", x) for p, x in both.items()]
            found += [_row("broken", f"{name}: {p}", x) for p, x in single.items()]
    return [*found, _row("patching_left_out", "all", 4.0, float("nan"))]


def _row(metric: str, subset: str, value: float, stderr: float = 0.02) -> dict:
    return {"metric": metric, "subset": subset, "value": value, "stderr": stderr, "n": 60}
