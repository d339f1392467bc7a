"""Fetch the four scripts that the site's pages run in the reader's browser: MathJax and Vega.

They are shipped with the site, so that a page needs no other host when it is read. They come from
the npm registry (no npm or node is needed), at exact versions with pinned digests, and go into
`_static/vendor/`, which is not in git. A second run finds them there and does nothing.

    python book/fetch_assets.py

Behind a mirror of the registry, name it in the environment variable `NPM_CONFIG_REGISTRY`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

VENDOR = Path(__file__).resolve().parent / "_static" / "vendor"
REGISTRY = "https://registry.npmjs.org"


class Asset(NamedTuple):
    """One file of one npm package."""

    package: str
    version: str
    member: str  # path of the file inside the package's archive
    archive_sha512: str  # digest of the .tgz, as the registry publishes it (there in base64)
    sha256: str  # digest of the unpacked file

    @property
    def path(self) -> Path:
        """Where the file lies after fetching."""
        return VENDOR / Path(self.member).name

    @property
    def licence(self) -> Path:
        """Where the package's licence lies: it travels with the script."""
        return VENDOR / f"{self.package}.LICENSE.txt"

    def is_there(self) -> bool:
        """Whether the very file that is pinned here has been fetched."""
        if not (self.path.is_file() and self.licence.is_file()):
            return False
        return hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256


# The Vega versions are those that Altair 6.3 writes its charts for. MathJax's "full" file holds all
# TeX packages; the smaller one would ask for missing files when a formula uses a rare macro.
ASSETS = (
    Asset(
        "mathjax",
        "3.2.2",
        "package/es5/tex-svg-full.js",
        "06df9249553c7811b6ef30a155ec0e89c62ced7b1db78d2a9b8f94a47c97ee4d"
        "3f3bd36588f73ec7bee4d7f144b0fb2328f64626fb5164cd6f3be81e5b43a11b",
        "a4354ff94fd868aea0cc6eaaa79a57fda0588646fc46ee3700a349ee0a11cbe6",
    ),
    Asset(
        "vega",
        "6.4.0",
        "package/build/vega.min.js",
        "ac75c2ab62e911608b3235c1123ee1a1c63d1b4fe2e5319845ac861928f4e954"
        "c5e3e976206d99ee87992828d66d487fee14c4fe65616da38f07bdb0084961ea",
        "8f6a3587cf8d4f42c7e08120e3eb05d067e746d554e39d2dcf52acc0bd5ba28f",
    ),
    Asset(
        "vega-lite",
        "6.4.1",
        "package/build/vega-lite.min.js",
        "28edf26c7368b912b80346a5ffed9f37d52a81311fc6b77f9ed18b63ddf71e0e"
        "54398a2d0d541db21477ce7ece7d7c10eee8f45bde957dae51f90c4ef1a9b721",
        "6d5035fdd429b4bc6f91f3754426c3f516f3dbd8e08b105cfc2496bed4ebd254",
    ),
    Asset(
        "vega-embed",
        "7.3.0",
        "package/build/vega-embed.min.js",
        "c10f2ce46692ceaa0a82645f6d1a25801ae313608fed92875ea1fb3628f132a3"
        "e3a5d5b14ace039fcb6fa7d83482242f87670afb7a79eacc63596334c0d9e01b",
        "b1455caba2fb1a72fb46025ba0ba1316e2dbc7f0dd40a3f6040172bf9c08ba91",
    ),
)


def fetch(asset: Asset) -> None:
    """Download one package, check its digest, unpack its script and its licence.

    Raises:
        ValueError: if the archive or the script has another digest than the pinned one.
        requests.RequestException: if the registry cannot be reached.
    """
    import pooch  # not needed, and so not imported, when everything is there already

    registry = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/")
    url = f"{registry}/{asset.package}/-/{asset.package}-{asset.version}.tgz"
    pooch.get_logger().setLevel("WARNING")
    with tempfile.TemporaryDirectory() as folder:
        archive = pooch.retrieve(url, known_hash=f"sha512:{asset.archive_sha512}", path=folder)
        with tarfile.open(archive) as tar:
            _unpack(tar, "package/LICENSE", asset.licence)
            _unpack(tar, asset.member, asset.path)
    if not asset.is_there():
        raise ValueError(f"{asset.path.name} of {url} has another sha256 than the one pinned here")


def _unpack(tar: tarfile.TarFile, member: str, target: Path) -> None:
    """Write one file of the archive, by renaming: a killed run leaves no half a script behind."""
    source = tar.extractfile(member)
    assert source is not None, f"{member} is not a file"
    partial = target.with_name(f".partial-{os.getpid()}-{target.name}")
    partial.write_bytes(source.read())
    partial.replace(target)


def main() -> int:
    """Fetch what is missing; say what was fetched on stderr. 0 if all is there, 1 if not."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    for asset in ASSETS:
        if asset.is_there():
            continue
        try:
            fetch(asset)
        except Exception as error:
            print(f"could not fetch {asset.package} {asset.version}: {error}", file=sys.stderr)
            return 1
        print(f"fetched {asset.package} {asset.version}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
