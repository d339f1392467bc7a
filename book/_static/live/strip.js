/* A sentence as a strip of tokens, each the warmer the less the model expected it. The number is its surprise in nats.
   A token is a button: what the model looked at, and expected in its place, is shown below. */
live.part((live) => {
  "use strict";

  const HOT = 8; // nats from which on a token is as warm as can be: 1 in 3,000

  live.Strip = class {
    constructor({ label, onchoose }) {
      this.label = label;
      this.onchoose = onchoose;
      this.tokens = live.el("div", { class: "live-tokens", role: "group", "aria-label": label });
      this.total = live.el("p", { class: "live-total" });
      this.element = live.el("div", { class: "live-strip" }, this.tokens, this.total);
      this.tokens.addEventListener("keydown", (event) => this.move(event));
    }

    /* `differs(i)`: whether a token is not in the other sentence; `place` is chosen, or null. */
    show({ tokenizer, ids, nats, differs, place }) {
      const buttons = ids.map((id, i) => this.token(live.shown(tokenizer, id), nats[i], differs(i), i, place));
      live.keepingFocus(this.tokens, () => this.tokens.replaceChildren(...buttons, this.end(ids.length, place)));
      const total = nats.reduce((sum, value) => sum + value, 0);
      this.total.textContent = `${total.toFixed(2)} nats in all`;
    }

    token(text, nats, isOther, place, chosen) {
      const name = `${text}, surprise ${nats.toFixed(1)} nats`;
      return live.el(
        "button",
        this.attributes(place, chosen, name, { style: `--heat: ${Math.min(nats / HOT, 1).toFixed(3)}`, class: `live-token${isOther ? " live-other" : ""}` }),
        live.el("span", { "aria-hidden": "true" }, text),
        live.el("small", { "aria-hidden": "true" }, nats.toFixed(1)),
      );
    }

    end(place, chosen) {
      return live.el(
        "button",
        this.attributes(place, chosen, "what comes next", { class: "live-token live-next", style: "--heat: 0" }),
        live.el("span", { "aria-hidden": "true" }, "…"),
        live.el("small", { "aria-hidden": "true" }, "next"),
      );
    }

    attributes(place, chosen, name, rest) {
      const isChosen = place === chosen;
      const tabindex = isChosen || (chosen === null && place === 0) ? 0 : -1;
      return { type: "button", "aria-label": name, "aria-pressed": `${isChosen}`, "data-key": place, tabindex, onclick: () => this.onchoose(place), ...rest };
    }

    /* The arrow keys lead from token to token. */
    move(event) {
      const steps = { ArrowRight: 1, ArrowLeft: -1 };
      if (!(event.key in steps)) return;
      const buttons = [...this.tokens.children];
      const next = buttons[buttons.indexOf(document.activeElement) + steps[event.key]];
      if (!next) return;
      event.preventDefault();
      next.focus();
      next.click();
    }
  };
});
