/* Names for what the theme and its parts leave without one, once all scripts of the page have done their work. */
addEventListener("load", () => {
  for (const arrow of document.querySelectorAll("summary:has(> .toctree-toggle)")) {
    const link = arrow.closest("li")?.querySelector("a");
    arrow.setAttribute("aria-label", `Pages below ${link?.textContent.trim() ?? ""}`);
  }
  for (const button of document.querySelectorAll(".admonition-title > button.toggle-button")) {
    button.setAttribute("aria-label", `Show or hide: ${button.parentElement.textContent.trim()}`);
  }
});
