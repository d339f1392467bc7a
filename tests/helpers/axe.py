"""Axe, the checker of accessibility, on a page in the browser: its script comes with a package."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT

SERIOUS = ("serious", "critical")
# Of lesser impact, and ours all the same: how the page is found by its headings, tables and landmarks.
HELD = ("empty-table-header", "heading-order", "landmark-unique", "region")
_SETTLED = """async () => {
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  await new Promise(requestAnimationFrame);
  await Promise.all(document.getAnimations().map((animation) => animation.finished));
}"""  # what is folded is read too, and colours are those after it faded in


def faults(page, only: tuple[str, ...] = ()) -> list[str]:
    """What axe finds, a line for each element: rule, impact, place, HTML, and what it says.

    Args:
        page: an open page.
        only: the rules to ask, by default all.
    """
    page.evaluate(_SETTLED)
    page.evaluate(AXE_SCRIPT)
    asked = {"resultTypes": ["violations"]}
    if only:
        asked["runOnly"] = {"type": "rule", "values": list(only)}
    found = page.evaluate("asked => axe.run(asked)", asked)["violations"]
    kept = [v for v in found if v["impact"] in SERIOUS or v["id"] in HELD]
    return [_line(rule, node) for rule in kept for node in rule["nodes"]]


def _line(rule: dict, node: dict) -> str:
    told = "; ".join(c["message"] for c in (*node["any"], *node["all"], *node["none"]))
    return f"{rule['id']} ({rule['impact']}) at {node['target']}: {node['html'][:300]} -- {told}"
