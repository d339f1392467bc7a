/* Puts the site's pages, which the document holds as templates, in their places for print. */
(() => {
  "use strict";

  const { base, site, parts, anchors, numbers } = JSON.parse(document.getElementById("told").textContent);
  // Code, and what is only for a screen or for a way through the site.
  const DROPPED = "script, button, .headerlink, .page-nav, .prev-next-area, details.hide, [hidden], .tag_injected-parameters";
  const CITED = "Cite this chapter"; // how to is on the title page
  const FIGURE = "img, svg, noscript";

  /* A line in the place of what is on the site alone. */
  function onTheSite(text, address) {
    const line = document.createElement("p");
    line.className = "on-the-site";
    const link = Object.assign(document.createElement("a"), { href: address, textContent: text });
    line.append("On the site: ", link);
    return line;
  }

  function nameOf(summary) {
    return summary?.textContent.trim().replace(/\s+/g, " ") || "more";
  }

  /* What the site folds is left out, where it is not open from the first. */
  function unfold(text, address) {
    for (const details of text.querySelectorAll("details")) {
      const place = details.closest("section[id]");
      const name = nameOf(details.querySelector("summary"));
      if (name === CITED) details.remove();
      else if (!details.open) details.replaceWith(onTheSite(name, place ? `${address}#${place.id}` : address));
      else details.replaceWith(...details.childNodes);
    }
  }

  function leaveOut(text, address) {
    text.querySelectorAll(DROPPED).forEach((element) => element.remove());
    for (const holder of text.querySelectorAll("noscript")) {
      holder.replaceWith(document.createRange().createContextualFragment(holder.textContent));
    }
    unfold(text, address);
    for (const grid of text.querySelectorAll(".grid-table")) {
      const name = grid.getAttribute("aria-label");
      grid.replaceWith(onTheSite(`${name}, every model and step, each with its run`, address));
    }
    for (const chart of text.querySelectorAll(".vega-chart")) {
      if (!chart.querySelector(FIGURE)) chart.replaceWith(onTheSite("a chart to question", address));
    }
  }

  /* A link to what is printed leads there; any other to the site, or where it leads to anyway. */
  function relink(link, address) {
    const target = new URL(link.getAttribute("href"), address);
    const own = target.href.startsWith(base);
    const page = own ? target.pathname.slice(new URL(base).pathname.length).replace(/\.html$/, "") || "index" : "";
    const printed = anchors[page];
    link.href = !printed ? target.href : `#${target.hash ? `${printed}--${target.hash.slice(1)}` : printed}`;
  }

  function put(template, holder) {
    const page = template.dataset.page;
    const address = new URL(`${page}.html`, base).href;
    const article = document.createElement("article");
    article.className = "bd-article";
    article.id = anchors[page];
    const text = template.content;
    leaveOut(text, address);
    text.querySelectorAll("[id]").forEach((element) => (element.id = `${anchors[page]}--${element.id}`));
    text.querySelectorAll("a[href]").forEach((link) => relink(link, address));
    for (const image of text.querySelectorAll("img[src]")) {
      image.loading = "eager";
      image.src = new URL(image.getAttribute("src"), new URL(`${page}.html`, site)).href;
    }
    article.append(text);
    holder.append(article);
    template.remove();
    return article.querySelector("h1")?.textContent ?? page;
  }

  /* A link that leads nowhere, for what it named was left out, leads to its page. */
  function mend() {
    for (const link of document.querySelectorAll("article a[href^='#']")) {
      const name = decodeURIComponent(link.getAttribute("href").slice(1));
      if (!document.getElementById(name)) link.href = `#${name.split("--")[0]}`;
    }
  }

  /* Paper does not scroll: a table that is too wide is set smaller, and smaller still. */
  function narrow() {
    for (const table of document.querySelectorAll("article table")) {
      for (const size of ["wide", "wider"]) if (table.offsetWidth > holder.clientWidth) table.classList.add(size);
    }
  }

  function entry(page, title) {
    const line = Object.assign(document.createElement("a"), { className: "entry", href: `#${anchors[page]}` });
    const number = Object.assign(document.createElement("span"), { textContent: numbers[anchors[page]] ?? "" });
    line.append(Object.assign(document.createElement("span"), { textContent: title }), number);
    return line;
  }

  const holder = document.querySelector(".bd-article-container");
  const contents = document.getElementById("contents");
  const templates = new Map([...document.querySelectorAll("template")].map((t) => [t.dataset.page, t]));
  for (const { caption, pages } of parts) {
    if (caption) contents.append(Object.assign(document.createElement("p"), { className: "part", textContent: caption }));
    for (const page of pages) contents.append(entry(page, put(templates.get(page), holder)));
  }
  mend();
  narrow();
})();
