"""Interactive charts: how a page and JupyterLab get an Altair chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pythia_utils.base.markup import vega

if TYPE_CHECKING:
    import altair as alt


def show_chart(chart: alt.TopLevelMixin) -> None:
    """Display an Altair chart for JupyterLab and, as data for the book's own script, for the site."""
    from IPython.display import display

    spec = chart.to_dict()
    # Lab knows Vega-Lite up to version 5; our charts use nothing newer.
    display({"application/vnd.vegalite.v5+json": spec, "text/html": chart_html(spec)}, raw=True)


def chart_html(spec: dict) -> str:
    """The element that the book's script draws a Vega-Lite chart in."""
    return f'<div class="vega-chart"><script type="application/json">{vega(spec)}</script></div>'
