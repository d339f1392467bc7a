"""What follows when Sphinx has written the site: a bundle of assets, the map of its pages, no leftovers."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pythia_utils.base.files import atomic_write
from pythia_utils.site import assets

RUNS = "cells"  # the folder of the runs' pages
_CANONICAL = re.compile(r'<link rel="canonical" href="([^"]+)"')
_CLASSES = re.compile(r'class="([^"]*\bfa-[^"]*)"')
_ICON = re.compile(r"\bfa-([a-z0-9-]+)")
_IMAGE = re.compile(r"_images/([\w.-]+)")
_DOWNLOAD = re.compile(r"_downloads/(\w+)/")


@dataclass
class Found:
    """What the pages of a site name.

    Attributes:
        icons: names of icons.
        images: names of files in `_images/`.
        downloads: names of folders in `_downloads/`, which hold a file each.
        addresses: canonical ones, of all pages but those of runs.
    """

    icons: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    downloads: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)


def finish(site: Path, own: Path, aside: Path) -> None:
    """Bundle the assets, write `sitemap.xml`, remove images and files that no page names any more.

    Args:
        site: the website's folder.
        own: the book's own static files.
        aside: where the theme's files are kept that went into the bundle.
    """
    found = _read(site)
    assets.write(site / "_static", own, aside, found.icons)
    for path in (site / "_images").glob("*"):
        if path.name not in found.images:
            path.unlink()
    for path in (site / "_downloads").glob("*"):
        if path.name not in found.downloads:
            shutil.rmtree(path)
    with atomic_write(site / "sitemap.xml") as partial:
        partial.write_text(_sitemap(found.addresses), encoding="utf-8")


def _read(site: Path) -> Found:
    found = Found()
    for path in sorted(site.rglob("*.html")):
        folder = path.relative_to(site).parts[0]
        if folder != "_static":
            text = path.read_text(encoding="utf-8")
            found.icons.update(*map(_ICON.findall, _CLASSES.findall(text)))
            found.images.update(_IMAGE.findall(text))
            found.downloads.update(_DOWNLOAD.findall(text))
            found.addresses += _CANONICAL.findall(text) if folder != RUNS else []
    return found


def _sitemap(addresses: list[str]) -> str:
    places = "\n".join(f"  <url><loc>{address}</loc></url>" for address in addresses)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{space}">\n{places}\n</urlset>\n'
    )
