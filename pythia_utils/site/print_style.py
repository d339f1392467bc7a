"""Paper is white whatever the screen was: rules of the dark theme are for screens alone.

A style sheet has rules for `html[data-theme="light"]` and for `"dark"`. A page that is printed from dark mode
keeps `data-theme="dark"`. So the dark rules are confined to screens, and the light ones repeated for print.
"""

from __future__ import annotations

import re

_RULE = re.compile(r"[^{};/]*\[data-theme=[^{};]*\{[^{}]*\}")  # from where a comment ends
_LIGHT = re.compile(r"""\[data-theme=["']?light["']?\]""")
_DARK = re.compile(r"""\[data-theme=["']?dark["']?\]""")


def printed_light(style: str) -> str:
    """The style sheet, whose dark rules hold on a screen, and whose light ones hold there and on all paper."""
    return _RULE.sub(_confined, style)


def _confined(rule: re.Match) -> str:
    selectors, _, rest = rule[0].partition("{")
    parts = _selectors(selectors)
    dark = [part for part in parts if _DARK.search(part)]
    light = [part for part in parts if _LIGHT.search(part)]
    other = [part for part in parts if part not in dark]
    told = [f"{','.join(other)}{{{rest}"] if other else []
    told += [f"@media screen{{{','.join(dark)}{{{rest}}}"] if dark else []
    on_paper = [_LIGHT.sub('[data-theme="dark"]', part) for part in light]
    told += [f"@media print{{{','.join(on_paper)}{{{rest}}}"] if on_paper else []
    return "\n".join(told)


def _selectors(text: str) -> list[str]:
    """The selectors of a list; commas within brackets part none."""
    return re.split(r",(?![^(\[]*[)\]])", text.strip())
