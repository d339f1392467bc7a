"""Figures of notebooks on the site: numbered along their page, with anchor, caption and numbers as CSV.

`analysis/figure.py` puts beside a picture, a chart or a table what is said of it: a `<figure>` is made of both.
A text links to one as `[](#figure-NAME)`, which reads `Figure 3`; `[Figure](#figure-NAME)` does so, too, and
has a text in JupyterLab.
"""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer, load_mime_renders
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from pythia_utils.base.markup import html, plain, vega

KIND = "application/vnd.pythia-book.figure+json"  # as `analysis/figure.py` has it
VEGA = "application/vnd.vegalite.v5+json"
_FORMS = ("text/html", "image/svg+xml", "image/png")  # of what is shown, the best first
_NUMBER = "Figure"
_ID = "figure"


class NotebookFigure(nodes.figure):
    """A figure of a notebook. Sphinx, which would number those of the whole book, does not know its class."""


class Picture(nodes.General, nodes.Element):
    """Its picture, and a second one that is for previews of links alone."""


class FigureCaption(nodes.caption):
    """Number, caption and link to the numbers."""


def setup(app) -> None:
    """Let Sphinx show what notebooks say of their figures."""
    app.add_node(NotebookFigure, html=(_open_figure, _close_figure))
    app.add_node(Picture, html=(_picture, None))
    app.add_node(FigureCaption, html=(_open_caption, _close_caption))
    app.add_transform(GatherFigures)
    renderers = load_mime_renders()  # which only installed packages could name
    if FigureRenderer not in renderers:
        renderers.append(FigureRenderer)


# --- from an output to nodes ----------------------------------------------------------------------


class FigureRenderer:
    """For MyST-NB: a figure without its picture, which `GatherFigures` puts in; and charts."""

    mime_priority_overrides: ClassVar = [("*", KIND, 1)]

    @staticmethod
    def handle_mime(
        renderer: NbElementRenderer, data: MimeData, inline: bool
    ) -> list[nodes.Element] | None:
        """The nodes of an output's figure or chart; None of any other output."""
        if data.mime_type == VEGA:
            return [nodes.raw("", vega(data.content), format="html")]
        if data.mime_type != KIND:
            return None
        return [_figure(renderer, data.content)]


def _figure(renderer: NbElementRenderer, said: dict[str, Any]) -> NotebookFigure:
    document = renderer.renderer.document
    named = document.setdefault("notebook_figures", [])
    number = len(named) + 1
    name = _unused(f"{_ID}-{said['name'] or number}", document)
    figure = NotebookFigure("", ids=[name], names=[name], number=number, said=said)
    document.note_explicit_target(figure)
    named.append(name)
    figure += _caption(renderer, said, name, number)
    return figure


def _unused(name: str, document: nodes.document) -> str:
    """The name, or where a figure of the page has it the first of `NAME-2`, `NAME-3` that none has."""
    place, found = 2, name
    while found in document.ids or found in document.nameids:
        found, place = f"{name}-{place}", place + 1
    return found


def _caption(
    renderer: NbElementRenderer, said: dict[str, Any], name: str, number: int
) -> FigureCaption:
    label = nodes.reference(
        "", f"{_NUMBER} {number}.", refid=name, internal=True, classes=["figure-number"]
    )
    caption = FigureCaption("", "", label, nodes.Text(f" {plain(said['caption'])} "))
    if said["csv"]:
        page = "-".join(renderer.renderer.sphinx_env.docname.split("/")[1:])
        file = f"{page}-{name.removeprefix(f'{_ID}-')}.csv"
        place = renderer.write_file(["csv", file], said["csv"].encode(), overwrite=True)
        link = nodes.inline("", "Data (CSV)")
        caption += addnodes.download_reference("", "", link, reftarget=place)
    return caption


class GatherFigures(SphinxTransform):
    """Puts pictures, charts and tables into their figures, and names figures in links to them."""

    default_priority = 300  # before links to places of the page are looked up

    def apply(self, **kwargs: object) -> None:
        """Change the page's document."""
        numbers, has_preview = {}, False
        for figure in list(self.document.findall(NotebookFigure)):
            has_preview |= _fill(figure, with_preview=not has_preview)
            numbers[figure["ids"][0]] = f"{_NUMBER} {figure['number']}"
        for link in self.document.findall(nodes.reference):
            label = numbers.get(link.get("refuri", "").removeprefix("#"))
            if label and link.get("id_link") and link.astext() in ("", _NUMBER, _NUMBER.lower()):
                link.children = []
                link += nodes.Text(label)
        slugs = self.env.metadata[self.env.docname].setdefault(
            "myst_slugs", {}
        )  # for other pages' links
        slugs |= {name: (0, name, label) for name, label in numbers.items()}


def _fill(figure: NotebookFigure, with_preview: bool) -> bool:
    """Move the other forms of a figure's output into it, the best one to be shown.

    Returns:
        Whether a PNG is among them.
    """
    own = figure.parent
    bundle = own.parent
    forms = {other["mime_type"]: other.children for other in bundle if other is not own}
    shown = next((forms[kind] for kind in _FORMS if kind in forms), [])
    if shown and isinstance(shown[0], nodes.image):
        preview = forms.get("image/png", []) if with_preview and "image/svg+xml" in forms else []
        shown = [Picture("", *shown, *preview, said=figure["said"], number=figure["number"])]
    if VEGA in forms:
        before, behind = chart_html(forms[VEGA][0].astext())
        shown = [nodes.raw("", before, format="html"), *shown, nodes.raw("", behind, format="html")]
    figure.children = [*shown, *figure.children]
    for node in figure.children:
        node.parent = figure
    bundle.children = [own]
    return "image/png" in forms


def chart_html(spec: str) -> tuple[str, str]:
    """What goes before and behind a chart's picture, so that the book's script draws it in the picture's place.

    Args:
        spec: Vega-Lite as `base.markup.vega` writes it.
    """
    script = f'<script type="application/json">{spec}</script>'
    return f'<div class="vega-chart">{script}', "</div>"


# --- from nodes to HTML ---------------------------------------------------------------------------


def _open_figure(writer, node: NotebookFigure) -> None:
    writer.body.append(f'<figure class="notebook-figure" id="{html(node["ids"][0])}">\n')


def _close_figure(writer, node: NotebookFigure) -> None:
    writer.body.append("</figure>\n")


def _open_caption(writer, node: FigureCaption) -> None:
    writer.body.append("<figcaption>")


def _close_caption(writer, node: FigureCaption) -> None:
    writer.body.append("</figcaption>\n")


def _picture(writer, node: Picture) -> None:
    """The picture in a box in which it scrolls where a page is too narrow for its text."""
    for image in node.findall(nodes.image):
        name = writer.builder.images.get(image["uri"], "")
        image["uri"] = f"{writer.builder.imgpath}/{name}"
    said, shown = node["said"], node.children[0]["uri"]
    sizes = f"--least:{int(said['least'])}px" if said.get("least") else ""
    width = f' width="{int(said["width"])}"' if said.get("width") else ""
    writer.body.append(
        f'<div class="figure-picture" style="{sizes}" tabindex="0" role="group" '
        f'aria-label="Picture of {_NUMBER.lower()} {node["number"]}">'
        f'<img src="{html(shown)}" alt="{html(said["alt"])}"{width} loading="lazy" /></div>\n'
    )
    raise nodes.SkipNode
