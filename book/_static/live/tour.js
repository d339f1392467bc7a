/* Two minutes with the model: a few steps in words, each of which shows the model at that moment. The words were
   computed from the checkpoints when the page was made. */
live.part((live) => {
  "use strict";

  live.Tour = class {
    constructor(stops, onstop) {
      Object.assign(this, { stops, onstop });
      this.words = live.el("p", { class: "live-tour-words", "aria-live": "polite" });
      this.buttons = stops.map((stop, i) => live.el("button", { type: "button", "aria-pressed": "false", onclick: () => this.go(i) }, stop.title));
      this.next = live.el("button", { type: "button", class: "live-tour-next", onclick: () => this.go(this.at + 1) });
      this.at = -1;
      const list = live.el("ol", {}, this.buttons.map((button) => live.el("li", {}, button)));
      this.element = live.el("section", { class: "live-tour", "aria-label": "A tour of two minutes" }, list, this.words, this.next);
      this.lead();
    }

    lead() {
      this.next.hidden = this.at + 1 >= this.stops.length;
      this.next.textContent = this.at < 0 ? "Begin the tour" : "Next";
    }

    go(at) {
      this.at = at;
      this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", `${i === at}`));
      this.words.textContent = this.stops[at].words;
      this.lead();
      this.onstop(this.stops[at]);
    }
  };
});
