"""The interactive map of all heads along training: a slider for the step, choices of model and score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.figure import show_figure
from pythia_utils.analysis.induction.figures import SCORES, head_maps
from pythia_utils.analysis.show import or_words

if TYPE_CHECKING:
    import altair as alt

MODELS, STEPS, CELLS = 4, 12, 8_000  # what a page carries, at most
_DIGITS = 3


def shown(heads: pd.DataFrame, gain: pd.DataFrame) -> pd.DataFrame:
    """Models, steps and heads that a page carries: first what was measured at most steps, then what gains most.

    Args:
        heads: of `tables.heads`.
        gain: of `tables.of(records, "content_gain")`.
    """
    last = select.final(gain)
    last = last.assign(steps=last["model"].map(gain.groupby("model")["step"].nunique()))
    last = last.sort_values(["steps", "value"], ascending=False, kind="stable")
    kept, cells = [], 0
    for model in last["model"]:
        own = select.few_steps(heads[heads["model"] == model], STEPS)
        if len(kept) < MODELS and cells + len(own) <= CELLS:
            kept.append(own)
            cells += len(own)
    return pd.concat(kept, ignore_index=True) if kept else heads.iloc[:0]


@or_words
def head_map(heads: pd.DataFrame) -> None:
    """Show it: layers by heads, coloured by the score chosen; a ring around the heads that ablation found.

    Args:
        heads: of `shown`.
    """
    import altair as alt  # only chapters draw one

    models = list(dict.fromkeys(heads["model"]))
    columns = ["model", "step", "layer", "head", "found", *SCORES]
    steps = sorted(heads["step"].unique().tolist())
    rows = heads[columns].assign(place=heads["step"].map({s: i for i, s in enumerate(steps)}))
    model = _choice("Model", models, "model_shown")
    score = _choice("Score", list(SCORES), "score", [name for name, _ in SCORES.values()])
    place = alt.param(
        "step_shown",
        value=len(steps) - 1,
        bind=alt.binding_range(min=0, max=len(steps) - 1, step=1, name="Measured step no. "),
    )
    base = (
        alt.Chart(rows.round(_DIGITS))
        .transform_filter("datum.place == step_shown && datum.model == model_shown")
        .transform_calculate(value="datum[score]")
        .encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:O", title="layer", sort="descending"),
            tooltip=[_tooltip(name) for name in ("layer", "head", "found", *SCORES)],
        )
    )
    top = alt.ExprRef(f"({_tops(heads)})[score]")
    scale = alt.Scale(scheme="viridis", domainMin=0, domainMax=top, clamp=True)
    cells = base.mark_rect().encode(color=alt.Color("value:Q", title=None, scale=scale))
    rings = base.transform_filter("datum.found > 0").mark_point(
        shape="circle", size=160, strokeWidth=2.5, stroke="#ff7f50", filled=False, opacity=1
    )
    title = alt.TitleParams(
        text=alt.ExprRef(f"model_shown + ' at step ' + format({steps}[step_shown], ',')")
    )
    chart = alt.layer(cells, rings).add_params(place, model, score)
    chart = chart.properties(width="container", height=alt.Step(26), title=title)
    last = heads[heads["model"] == models[0]]
    picture = head_maps(last[last["step"] == last["step"].max()])
    caption = "All heads along training: choose step, model and score. A ring is around heads that were found."
    along = {
        "steps": {"param": "step_shown", "steps": steps}
    }  # the page's bar moves the slider, too
    spec = chart.to_dict() | {"usermeta": along}
    show_figure(picture, caption=caption, name="map-of-heads", data=rows[columns], chart=spec)


def _choice(
    label: str, options: list[str], name: str, labels: list[str] | None = None
) -> alt.Parameter:
    import altair as alt

    menu = alt.binding_select(options=options, labels=labels or options, name=f"{label} ")
    return alt.param(name, value=options[0], bind=menu)


def _tooltip(name: str) -> alt.Tooltip:
    import altair as alt

    if name in ("layer", "head"):
        return alt.Tooltip(f"{name}:O")
    if name == "found":
        return alt.Tooltip("found:Q", title="place among the heads found (0: none of them)")
    return alt.Tooltip(f"{name}:Q", title=SCORES[name][0], format=".3f")


def _tops(heads: pd.DataFrame) -> dict[str, float]:
    """The top of each score's colours, as an object of Vega's expressions."""
    tops = {}
    for name, (_, top) in SCORES.items():
        most = heads[name].max()
        tops[name] = top or round(max(float(most) if pd.notna(most) else 0, 0.01), _DIGITS)
    return tops
