/* Names for what the theme leaves without one: the arrows that unfold the list of pages. */
for (const arrow of document.querySelectorAll("summary:has(> .toctree-toggle)")) {
  const link = arrow.closest("li")?.querySelector("a");
  arrow.setAttribute("aria-label", `Pages below ${link?.textContent.trim() ?? ""}`);
}
