/* What is to be seen inside: what was expected, where heads look, what each depth would answer, what it writes. */
live.part((live) => {
  "use strict";

  const { el } = live;

  /* A section that can be folded. */
  live.section = (title, hint, ...content) =>
    el("details", { class: "live-section" }, el("summary", {}, el("span", {}, title), el("small", {}, hint)), el("div", { class: "live-inside" }, content));

  /* The likeliest tokens in a place, as bars. */
  live.Candidates = class {
    constructor() {
      this.words = el("p");
      this.list = el("ol", { class: "live-candidates" });
      this.element = live.section("What it expects", "the likeliest tokens in the chosen place", this.words, this.list);
    }

    show({ tokenizer, ids, seen, place }) {
      const came = ids[place];
      const before = place ? `behind “${live.shown(tokenizer, ids[place - 1])}”` : "at the beginning";
      const then = came === undefined ? "" : ` There stands “${live.shown(tokenizer, came)}”.`;
      this.words.textContent = `The model's guesses ${before}.${then}`;
      this.list.replaceChildren(...seen.next[place].map(([id, p]) => this.row(live.shown(tokenizer, id), p, id === came)));
    }

    row(text, p, isIt) {
      return el(
        "li",
        { class: isIt ? "live-came" : undefined },
        el("span", { class: "live-word" }, text, isIt ? el("span", { class: "live-hidden" }, " (this one stands there)") : null),
        el("span", { class: "live-bar", style: `--p: ${p.toFixed(4)}`, "aria-hidden": "true" }),
        el("span", { class: "live-p" }, `${(100 * p).toFixed(p < 0.1 ? 1 : 0)}%`),
      );
    }
  };

  /* Where each head looks: a row a head, a column a token; and each head's whole map. */
  live.Attention = class {
    constructor({ onplace, onswitch }) {
      Object.assign(this, { onplace, onswitch });
      this.words = el("p");
      this.table = el("table", { class: "live-grid-table" });
      this.maps = el("div", { class: "live-maps" });
      const hint = "attention by layer and head; switch heads off";
      this.element = live.section("Where it looks", hint, this.words, el("div", { class: "live-scroll", tabindex: 0, role: "region", "aria-label": "attention of each head" }, this.table), this.maps);
    }

    show({ tokenizer, ids, seen, place, off }) {
      const names = ["‹start›", ...ids.map((id) => live.shown(tokenizer, id))];
      const heads = seen.patterns.flatMap((layer, l) => layer.map((pattern, h) => ({ l, h, pattern })));
      this.words.textContent =
        `From “${names[place]}”, to tell what comes next: the stronger the colour, the more a head takes from that token. ` +
        "Point at another token of the first row, or go there with Tab, to look from it.";
      const head = el("tr", {}, el("th", { scope: "col" }, "from"), names.map((name, i) => this.column(name, i, place)));
      const rows = heads.map((one) => this.row(one, names, place, off));
      live.keepingFocus(this.table, () => this.table.replaceChildren(el("thead", {}, head), el("tbody", {}, rows)));
      this.maps.replaceChildren(...heads.map((one) => this.map(one, place)));
    }

    column(name, index, place) {
      const look = () => index !== this.place && this.onplace(index);
      if (index === place) this.place = place;
      const button = el("button", { type: "button", "aria-pressed": `${index === place}`, "data-key": index, onclick: look, onmouseenter: look, onfocus: look }, name);
      return el("th", { scope: "col", class: index === place ? "live-chosen" : undefined }, button);
    }

    row({ l, h, pattern }, names, place, off) {
      const key = `${l}.${h}`;
      const isOff = off.includes(key);
      const name = `layer ${l + 1}, head ${h + 1}`;
      const button = el("button", { type: "button", class: "live-switch", role: "switch", "aria-checked": `${!isOff}`, "aria-label": name, "data-key": key, onclick: () => this.onswitch(key) }, isOff ? "off" : "on");
      const cells = names.map((_, from) => {
        const weight = pattern[place][from];
        const text = weight === undefined ? "" : weight.toFixed(2).replace(/^0/, "");
        return el("td", { style: `--heat: ${(weight ?? 0).toFixed(3)}` }, text);
      });
      return el("tr", { class: isOff ? "live-off" : undefined }, el("th", { scope: "row" }, el("span", {}, name), button), cells);
    }

    map({ l, h, pattern }, place) {
      const size = pattern.length;
      const squares = pattern.flatMap((row, to) =>
        Array.from(row, (weight, from) => live.svg("rect", { x: from, y: to, width: 1, height: 1, "fill-opacity": weight.toFixed(3) })),
      );
      const chosen = live.svg("rect", { class: "live-chosen-row", x: 0, y: place, width: size, height: 1 });
      const name = `layer ${l + 1}, head ${h + 1}`;
      return el("figure", {}, live.svg("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": `attention map of ${name}: rows look at columns` }, squares, chosen), el("figcaption", {}, name));
    }
  };

  /* What the network would answer if it stopped at a depth. */
  live.Lens = class {
    constructor({ onplace }) {
      this.onplace = onplace;
      this.table = el("table", { class: "live-grid-table live-lens" });
      const words = el("p", {}, "The likeliest next token behind each token, read off after each layer (the logit lens). The stronger the colour, the surer.");
      this.element = live.section("Layer by layer", "what it would answer if it stopped there", words, el("div", { class: "live-scroll", tabindex: 0, role: "region", "aria-label": "answers of each depth" }, this.table));
    }

    show({ tokenizer, ids, seen, place }) {
      const names = ["‹start›", ...ids.map((id) => live.shown(tokenizer, id))];
      const chosen = (i) => (i === place ? "live-chosen" : undefined);
      const head = el("tr", {}, el("th", { scope: "col" }, "behind"), names.map((name, i) => el("th", { scope: "col", class: chosen(i) }, name)));
      const depths = seen.lens.map((row, depth) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, depth ? `layer ${depth}` : "before layer 1"),
          row.map(({ token, p }, i) => el("td", { class: chosen(i), style: `--heat: ${p.toFixed(3)}`, title: `${(100 * p).toFixed(0)}%` }, live.shown(tokenizer, token))),
        ),
      );
      this.table.replaceChildren(el("thead", {}, head), el("tbody", {}, depths));
    }
  };

  /* Let the model go on with a text. */
  live.Writer = class {
    constructor({ onwrite }) {
      const [prompt, heat, seed] = ["prompt", "heat", "seed"].map(live.id);
      this.prompt = el("input", { id: prompt, type: "text", value: "The teacher", autocomplete: "off" });
      this.heat = el("input", { id: heat, type: "range", min: 0, max: 1.5, step: 0.1, value: 0.7 });
      this.heatShown = el("output", { for: heat }, "0.7");
      this.heat.addEventListener("input", () => (this.heatShown.textContent = (+this.heat.value).toFixed(1)));
      this.seed = el("input", { id: seed, type: "number", min: 1, max: 9999, value: 1 });
      this.text = el("p", { class: "live-written", "aria-live": "polite" });
      const button = el("button", { type: "submit" }, "Write");
      const form = el(
        "form",
        { class: "live-writer" },
        el("label", { for: prompt }, "Begin with"),
        this.prompt,
        el("label", { for: heat }, "Temperature ", this.heatShown),
        this.heat,
        el("label", { for: seed }, "Seed of chance"),
        this.seed,
        button,
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        onwrite({ text: this.prompt.value, temperature: +this.heat.value, seed: +this.seed.value || 1 });
      });
      const words = el("p", {}, "At temperature 0 the likeliest token is taken each time; the higher, the more is left to chance. The same seed writes the same.");
      this.element = live.section("Let it write", "go on with a text", words, form, this.text);
    }

    show(prompt, written) {
      this.text.replaceChildren(prompt, el("mark", {}, written || " (the text ends here)"));
    }
  };
});
