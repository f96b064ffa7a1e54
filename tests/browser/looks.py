"""Is a page fit for everybody? axe in light and dark, at 360 and 1440 px, and nothing that sticks out."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SIZES = {1440: 900, 360: 740}
AXE = Axe().axe_script
# In dark colours the elements are the same: only the rules about colour can tell anything new.
RUN = """async (colours) => {
  const {violations} = await axe.run(document, {
    resultTypes: ["violations"],
    preload: false,  // only what is switched off reads sheets, and for @import it applies a style
    ...(colours === "dark" ? {runOnly: ["color-contrast", "link-in-text-block"]} : {}),
  });
  return violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.map(
    ({html, failureSummary}) => `${html}\\n${failureSummary}`)}));
}"""
# What is wider than the window, the innermost first.
STICKS_OUT = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .map((element) => element.outerHTML.slice(0, 200)).reverse().slice(0, 5);
}"""


def look(page: Page) -> None:
    """Fails with everything that is wrong with the page as it stands."""
    page.wait_for_load_state()
    page.evaluate(AXE)
    faults: list[Any] = []
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            faults += [(width, colours, fault) for fault in page.evaluate(RUN, colours)]
        faults += [(width, "sticks out", html) for html in page.evaluate(STICKS_OUT)]
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    assert not faults, f"{page.url}\n" + "\n".join(map(str, faults))
