"""Whom a page keeps out, as axe-core finds it."""

from __future__ import annotations

from typing import Any

from .lab import ROOT

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def violations(page: Any, *selectors: str) -> list[str]:
    """What axe finds serious or critical below the selectors."""
    if not page.evaluate("() => Boolean(window.axe)"):
        assert AXE.exists(), "no axe-core; run `npm ci` in labextension/"
        page.evaluate(AXE.read_text())
    found = page.evaluate(
        """([include, values]) => axe
        .run({ include }, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] })
        .then(({ violations }) => violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
            `${id}: ${html.slice(0, 160)} ${failureSummary.replace(/\\s+/g, ' ').slice(0, 220)}`)))""",
        [[[selector] for selector in selectors], RULES],
    )
    return list(found)
