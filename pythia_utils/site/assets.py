"""One style sheet and one script for the whole site, in place of the nine and eleven of its theme.

Sphinx has copied the theme's files to the site's `_static/`. They are kept aside, so that they can be put
together again when only the book's own have changed. Icons are letters of a font with no others than the
pages use: the theme's own way is a script of half a megabyte, gzipped, that draws them one by one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from pythia_utils.base.files import atomic_write
from pythia_utils.site.print_style import printed_light

STYLE, SCRIPT = "bundle.css", "bundle.js"
# In the order in which the theme loads them; then come the book's own.
_STYLES = ("basic.css", "styles/pydata-sphinx-theme.css", "pygments.css")
_STYLES += ("styles/sphinx-book-theme.css", "togglebutton.css", "copybutton.css", "mystnb.*.css")
_STYLES += ("sphinx-design.min.css", "exercise.css")
_SCRIPTS = ("doctools.js", "sphinx_highlight.js", "clipboard.min.js", "copybutton.js")
_SCRIPTS += ("scripts/sphinx-book-theme.js", "togglebutton.js", "design-tabs.js")
_SCRIPTS += ("scripts/bootstrap.js", "scripts/pydata-sphinx-theme.js")
_FONTS = {"Font Awesome 6 Free": ("fa-solid-900.ttf", 900)}
_FONTS |= {"Font Awesome 6 Brands": ("fa-brands-400.ttf", 400)}
_WEBFONTS = "vendor/fontawesome/webfonts"
_KEPT = (*_STYLES, *_SCRIPTS, *(f"{_WEBFONTS}/{name}" for name, _ in _FONTS.values()))
_UNUSED = ("**/*.map", "locales", "vendor/fontawesome", "styles", "scripts", "*.html")
_ICON = re.compile(r"\bfa-([a-z0-9-]+)")
_ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"([^"]+)"\}')
_LETTER = re.compile("[\ue000-\uf8ff]")


def bundled(name: str, own: Path) -> bool:
    """Whether a style sheet or script of a page, `_static/NAME`, is in the one that all pages load.

    The theme's `documentation_options.js` is not: other scripts of a page want it before."""
    path = Path(name.removeprefix("_static/"))
    theirs = any(path.match(pattern) for pattern in (*_STYLES, *_SCRIPTS, "styles/theme.css"))
    return theirs or own / path in _own(own)


def _own(folder: Path) -> list[Path]:
    """The parts of the bundle that the book itself brings: not those in folders, which few pages load."""
    return sorted(p for p in folder.glob("*") if p.suffix in (".css", ".js"))


def version(own: Path) -> str:
    """A short digest of the book's own style sheets and scripts: browsers keep what has the same address."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in _own(own))).hexdigest()[:8]


def write(static: Path, own: Path, aside: Path, icons: Collection[str]) -> None:
    """Make the style sheet and the script in the site's `_static/`, and remove there what no page loads.

    Args:
        static: the site's folder of static files, where Sphinx has put the theme's.
        own: the book's own static files.
        aside: a folder outside of the site, in which the theme's files are kept.
        icons: names of the icons on the pages: `arrow-up`.
    """
    _put_aside(static, aside)
    parts = {
        kind: [*_parts(aside, names)] for kind, names in ((STYLE, _STYLES), (SCRIPT, _SCRIPTS))
    }
    for path in _own(own):
        parts[f"bundle{path.suffix}"].append(path.read_text(encoding="utf-8"))
        (static / path.name).unlink(missing_ok=True)
    style = _with_icons(printed_light("\n".join(parts[STYLE])), aside, icons)
    # The first statement is empty: a part's "use strict" is not meant for the parts after it.
    _write(static / STYLE, f'@charset "utf-8";\n{style}')
    _write(static / SCRIPT, ";\n".join(["", *parts[SCRIPT], ""]))


def _put_aside(static: Path, aside: Path) -> None:
    for pattern in _KEPT:
        found = [*static.glob(pattern)]
        for old in [*aside.glob(pattern)] if found else ():
            old.unlink()  # where a name holds a digest, another edition's
        for path in found:
            kept = aside / path.relative_to(static)
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
    for pattern in _UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _parts(folder: Path, patterns: Collection[str]) -> Iterator[str]:
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            yield re.sub(r"(//|/\*)# sourceMappingURL=\S+( \*/)?", "", text)


def _with_icons(style: str, aside: Path, icons: Collection[str]) -> str:
    """The style sheet with the rules of these icons only, and fonts that hold the letters of its rules."""
    letters = set(_LETTER.findall(style))

    def rule(match: re.Match) -> str:
        if not any(name in icons for name in _ICON.findall(match[1])):
            return ""
        letters.add(chr(int(match[2].removeprefix("\\"), 16)) if match[2][0] == "\\" else match[2])
        return match[0]

    style = _ICON_RULE.sub(rule, re.sub(r"@font-face\{[^}]*\}", "", style))
    return "\n".join([style, *_faces(aside / _WEBFONTS, letters)])


def _faces(folder: Path, letters: Collection[str]) -> Iterator[str]:
    for family, (name, weight) in _FONTS.items():
        data = base64.b64encode(_subset(folder / name, letters)).decode()
        source = f'url("data:font/woff;base64,{data}") format("woff")'
        yield f'@font-face{{font-family:"{family}";font-weight:{weight};src:{source}}}'


def _subset(path: Path, letters: Collection[str]) -> bytes:
    """A font with these letters only, as WOFF."""
    from fontTools import subset  # a quarter of a second

    options = subset.Options(flavor="woff", layout_features=[], name_IDs=[], hinting=False)
    with subset.load_font(path, options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[*map(ord, letters)])
        subsetter.subset(font)
        data = io.BytesIO()
        subset.save_font(font, data, options)
    return data.getvalue()


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")
