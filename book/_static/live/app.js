/* Puts the parts together: what is chosen, what is asked, what is shown. One `App` a place of a page; all of a page
   share the checkpoints that were fetched. */
live.part((live) => {
  "use strict";

  const { el } = live;
  const OWN = "your own"; // in the menu
  const [ROWS, ROW] = [16, 48]; // of the reference text: so many rows of so many tokens
  let shared;

  /* `told`: {groups: [{name, pairs: [{label, good, bad, cues}]}], show, reference}, and of the page "Try it" the `model` and
     `step` of the first pair, its `tour`, and its curves that are `known` from when the page was made. */
  live.start = (place, told, folder) => {
    if (!live.models.models.length) {
      throw new Error(`this site was built where no model of ${live.models.suite} lay`);
    }
    shared ??= { checkpoints: new live.Checkpoints(folder), tokenizer: new live.Tokenizer(live.vocabulary) };
    const app = new App(told, shared);
    place.append(app.element);
    place.classList.add("live-on");
    return app.update();
  };

  class App {
    constructor(told, { checkpoints, tokenizer }) {
      Object.assign(this, { told, checkpoints, tokenizer });
      this.models = live.models.models;
      this.pairs = told.groups.flatMap((group) => group.pairs);
      this.pair = this.pairs[0];
      this.model = this.models.find(({ name }) => name === told.model) ?? this.models.find(({ name }) => name === live.models.usual);
      this.step = this.nearest(told.step ?? this.model.steps.at(-1));
      this.off = [];
      this.chosen = null; // {side, place}: a sentence, and a place in it
      this.turn = 0; // what was asked in an earlier turn is not shown any more
      this.build();
    }

    nearest(step) {
      const { steps } = this.model;
      return steps.reduce((best, other) => (Math.abs(other - step) < Math.abs(best - step) ? other : best));
    }

    // ---- what the page has

    build() {
      const shows = (name) => this.told.show.includes(name);
      this.status = el("p", { class: "live-verdict", role: "status", "aria-live": "polite" });
      this.fault = el("div", { class: "live-fault", role: "alert", hidden: true });
      this.strips = [0, 1].map((side) => new live.Strip({ label: ["the sentence, token by token", "the other sentence, token by token"][side], onchoose: (place) => this.choose(side, place) }));
      const parts = [this.buildTour(), this.buildControls(), this.buildSentences(), this.fault, this.strips.map(({ element }) => element), this.status, this.buildCurves()];
      const onplace = (place) => this.choose(this.look.side, place);
      this.views = [];
      if (shows("candidates")) this.views.push(new live.Candidates());
      if (shows("attention")) this.views.push(new live.Attention({ onplace, onswitch: (head) => this.toggle(head) }));
      if (shows("lens")) this.views.push(new live.Lens({ onplace }));
      if (shows("write")) this.writer = new live.Writer({ onwrite: (what) => this.write(what) });
      const views = this.views.map(({ element }) => element);
      this.element = el("div", { class: "live-app" }, parts.flat(), views, this.writer?.element);
    }

    buildTour() {
      if (!this.told.tour?.length) return null;
      this.tour = new live.Tour(this.told.tour, (stop) => {
        this.take(this.pairs[0]);
        this.setModel(this.told.model);
        this.setStep(stop.step);
      });
      return this.tour.element;
    }

    buildControls() {
      const [model, step] = ["model", "step"].map(live.id);
      const options = this.models.map(({ name }) => el("option", { value: name }, name));
      this.modelMenu = el("select", { id: model, onchange: () => this.setModel(this.modelMenu.value) || this.update() }, options);
      this.slider = el("input", { id: step, type: "range", min: 0, step: 1, oninput: () => this.setStep(this.model.steps[this.slider.value]) });
      this.stepShown = el("output", { for: step });
      this.showControls();
      return el(
        "div",
        { class: "live-controls" },
        el("label", { for: model }, "Model"),
        this.modelMenu,
        el("label", { for: step }, "Training step ", this.stepShown),
        this.slider,
      );
    }

    buildSentences() {
      const [menu, one, other] = ["menu", "one", "other"].map(live.id);
      const groups = this.told.groups.map(({ name, pairs }) => el("optgroup", { label: name }, pairs.map((pair) => el("option", { value: this.pairs.indexOf(pair) }, pair.label))));
      this.menu = el("select", { id: menu, onchange: () => this.take(this.pairs[this.menu.value] ?? this.pair) || this.update() }, groups, el("option", { value: OWN }, OWN));
      const typed = () => this.typed();
      this.inputs = [one, other].map((id) => el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", oninput: typed }));
      this.showSentences();
      const several = this.pairs.length > 1;
      return el(
        "div",
        { class: "live-controls" },
        several ? [el("label", { for: menu }, "Sentences"), this.menu] : null,
        el("label", { for: one }, "This"),
        this.inputs[0],
        el("label", { for: other }, "or that"),
        this.inputs[1],
      );
    }

    buildCurves() {
      const onpick = (step) => this.setStep(step);
      this.curve = new live.Chart({ title: "Which of the two, along training", unit: "nats", onpick });
      const cues = this.told.show.includes("cues");
      this.cues = cues ? new live.Chart({ title: "What it goes by", unit: "nats", onpick }) : null;
      this.cueWords = cues ? el("p", { class: "live-cues" }) : null;
      return [this.curve.element, this.cues?.element, this.cueWords];
    }

    // ---- what the reader does

    take(pair) {
      Object.assign(this, { pair, chosen: null });
      this.showSentences();
    }

    typed() {
      this.pair = { label: OWN, good: this.inputs[0].value, bad: this.inputs[1].value };
      this.menu.value = OWN;
      this.chosen = null;
      clearTimeout(this.pause);
      this.pause = setTimeout(() => this.update(), 200);
    }

    setModel(name) {
      this.model = this.models.find((model) => model.name === name) ?? this.model;
      this.off = [];
      this.step = this.nearest(this.step);
      this.showControls();
    }

    setStep(step) {
      this.step = this.nearest(step);
      this.showControls();
      return this.update();
    }

    /* Look at a place of one of the sentences. */
    choose(side, place) {
      this.chosen = { side, place };
      this.showLooks();
    }

    toggle(head) {
      this.off = this.off.includes(head) ? this.off.filter((other) => other !== head) : [...this.off, head];
      return this.update();
    }

    // ---- what is asked, and shown

    /* What a checkpoint is asked beside its texts: which heads are off, and what tells what they say on average. */
    get rest() {
      if (!this.off.length) return {};
      this.reference ??= this.inRows(this.told.reference.flatMap((text) => [...this.tokenizer.encode(text), 0]));
      return { off: this.off, reference: this.reference };
    }

    /* Tokens of texts laid end to end, in rows of one length. */
    inRows(ids) {
      const rows = Array.from({ length: Math.min(ROWS, Math.floor(ids.length / ROW)) });
      return rows.map((_, row) => ids.slice(row * ROW, (row + 1) * ROW));
    }

    /* The tokens of some texts, cut where the model's context ends. */
    tokens(texts) {
      return texts.map((text) => this.tokenizer.encode(text).slice(0, this.most));
    }

    /* How many tokens are read; the end-of-text token stands before them. */
    get most() {
      return this.model.config.context - 1;
    }

    get texts() {
      return [this.pair.good, this.pair.bad].filter((text) => text?.trim());
    }

    async update() {
      const turn = ++this.turn;
      this.element.setAttribute("aria-busy", "true");
      try {
        await this.show(turn);
      } catch (error) {
        if (turn === this.turn) this.showFault(error);
      } finally {
        if (turn === this.turn) this.element.setAttribute("aria-busy", "false");
      }
    }

    async show(turn) {
      const ids = this.tokens(this.texts).filter((own) => own.length);
      const looks = ids.length ? await this.looks(turn, ids) : [];
      if (turn !== this.turn) return;
      this.showFault(null);
      this.seen = ids.map((own, side) => ({ side, ids: own, seen: looks[side] }));
      this.showLooks();
      this.showVerdict();
      // What is known need not be asked before the reader does something.
      if (turn === 1 && this.told.known) this.showCurves(this.told.known);
      else await this.drawCurves(turn);
    }

    async looks(turn, texts) {
      try {
        return await this.checkpoints.ask(this.model, this.step, { what: "look", texts, ...this.rest });
      } catch (error) {
        if (turn === this.turn) this.status.textContent = "";
        throw error;
      }
    }

    showFault(error) {
      this.fault.hidden = !error;
      const again = el("button", { type: "button", onclick: () => this.update() }, "Try again");
      this.fault.replaceChildren(...(error ? [`${error.message} `, again] : []));
    }

    showControls() {
      const { steps } = this.model;
      this.modelMenu.value = this.model.name;
      this.slider.max = steps.length - 1;
      this.slider.value = steps.indexOf(this.step);
      this.stepShown.textContent = live.count(this.step);
      this.slider.setAttribute("aria-valuetext", `step ${live.count(this.step)}`);
    }

    showSentences() {
      this.menu.value = this.pairs.includes(this.pair) ? this.pairs.indexOf(this.pair) : OWN;
      [this.pair.good, this.pair.bad ?? ""].forEach((text, side) => (this.inputs[side].value = text));
    }

    /* The last token that is not in the other text; of one text alone the last. */
    get turning() {
      const [one, other] = this.seen.map(({ ids }) => ids);
      const place = one.findLastIndex((_, i) => this.differing(one, other)(i));
      return place < 0 ? Math.max(one.length - 1, 0) : place;
    }

    showLooks() {
      this.strips.forEach(({ element }, side) => (element.hidden = !this.seen[side]));
      if (!this.seen.length) return;
      const { side, place } = this.chosen ?? { side: 0, place: this.turning };
      this.look = this.seen[side] ?? this.seen[0];
      for (const { side: own, ids, seen } of this.seen) {
        const differs = this.differing(ids, this.seen[1 - own]?.ids);
        this.strips[own].show({ tokenizer: this.tokenizer, ids, nats: seen.nats, differs, place: own === this.look.side ? place : null });
      }
      for (const view of this.views) view.show({ tokenizer: this.tokenizer, ...this.look, place, off: this.off });
    }

    /* Whether a token is in neither the common beginning nor the common end of two texts. */
    differing(ids, others) {
      if (!others) return () => false;
      const shorter = Math.min(ids.length, others.length);
      let begin = 0;
      while (begin < shorter && ids[begin] === others[begin]) begin++;
      let end = 0;
      while (end < shorter - begin && ids.at(-1 - end) === others.at(-1 - end)) end++;
      return (i) => i >= begin && i < ids.length - end;
    }

    get name() {
      const heads = this.off.length === 1 ? "one head" : `${this.off.length} heads`;
      const off = this.off.length ? `, with ${heads} off,` : "";
      return `At step ${live.count(this.step)}${off} ${this.model.name}`;
    }

    showVerdict() {
      const totals = this.seen.map(({ seen }) => seen.nats.reduce((sum, nats) => sum + nats, 0));
      if (!this.seen.length) this.status.textContent = "Type a sentence, or choose one.";
      else if (this.seen.length === 1) {
        this.status.textContent = `${this.name} is surprised by ${(totals[0] / this.seen[0].ids.length).toFixed(2)} nats a token.`;
      } else this.status.textContent = this.preference(totals[1] - totals[0]);
      if (this.seen.some(({ ids }) => ids.length === this.most)) {
        this.status.textContent += ` Only the first ${this.most} tokens are read: this model knows no longer texts.`;
      }
    }

    preference(margin) {
      if (Math.abs(margin) < 1e-6) return `${this.name} finds both equally likely.`;
      const [one, other] = this.parts();
      const [better, worse] = margin > 0 ? [one, other] : [other, one];
      const known = this.pairs.includes(this.pair) && this.pair.good;
      const right = known ? (margin > 0 ? ", which is right" : ", which is wrong") : "";
      return `${this.name} prefers “${better}” to “${worse}”${right}: by ${Math.abs(margin).toFixed(2)} nats, ${live.times(margin)}.`;
    }

    /* What differs of two texts. */
    parts() {
      return this.seen.map(({ ids, side }) => {
        const differs = this.differing(ids, this.seen[1 - side].ids);
        const own = ids.filter((_, i) => differs(i));
        return own.length ? this.tokenizer.decode(own).trim() : "nothing";
      });
    }

    // ---- along training

    /* The number that is drawn: the margin of two texts, or the surprise a token of one. */
    value(scores) {
      if (scores.length === 2) return scores[0] - scores[1];
      return -scores[0] / this.seen[0].ids.length;
    }

    /* Ask all checkpoints, those near this step first, and draw what is known. What fails is told at the end. */
    async drawCurves(turn) {
      const { model, pair, rest } = this;
      const ids = this.seen.map((one) => one.ids);
      if (!ids.length) return;
      const cues = this.cues && pair.cues ? this.tokens(pair.cues.texts.flat()) : [];
      const { values, found } = this.drawn(JSON.stringify([model.name, ids, rest.off]), model.steps.length);
      const draw = () => this.showCurves({ values, cues: cues.length ? found : null });
      draw();
      const missing = this.byDistance().filter((place) => values[place] === undefined);
      for (const place of missing) this.checkpoints.need(model, model.steps[place]).catch(() => {}); // all at once
      let fault;
      for (const place of missing) {
        try {
          const message = { what: "score", texts: [...ids, ...cues], ...rest };
          const scores = await this.checkpoints.ask(model, model.steps[place], message);
          values[place] = this.value(scores.slice(0, ids.length));
          if (cues.length) found[place] = contrasts(scores.slice(ids.length));
        } catch (error) {
          fault ??= error;
        }
        if (turn !== this.turn) return;
        draw();
      }
      if (fault) throw fault;
    }

    /* The places of all steps, the nearest to this one first. */
    byDistance() {
      const { steps } = this.model;
      const distance = (place) => Math.abs(place - steps.indexOf(this.step));
      return [...steps.keys()].sort((one, other) => distance(one) - distance(other));
    }

    /* The curves as far as they are computed: another step alone changes nothing of them. */
    drawn(what, steps) {
      const empty = () => Array.from({ length: steps });
      if (this.curves?.what !== what) this.curves = { what, values: empty(), found: empty() };
      return this.curves;
    }

    showCurves({ values, cues }) {
      const { steps } = this.model;
      const pair = this.seen.length === 2;
      const [one, other] = pair ? this.parts() : [];
      if (pair) this.curve.call("Which of the two, along training", "nats", `above 0 it prefers “${one}”, below “${other}”`);
      else this.curve.call("Surprise, along training", "nats a token", "the lower, the better it expects this text");
      this.curve.show(steps, [{ name: "", values }], this.step);
      if (this.cues) this.showCues(cues);
    }

    showCues(cues) {
      const shown = Boolean(cues);
      this.cues.element.hidden = this.cueWords.hidden = !shown;
      if (!shown) return;
      const series = this.pair.cues.names.map((name, k) => ({ name, values: cues.map((found) => found?.[k]) }));
      this.cues.show(this.model.steps, series, this.step);
      const here = cues[this.model.steps.indexOf(this.step)];
      const legend = series.map(({ name }, k) => el("span", { class: `live-key live-series-${k}` }, name, here ? ` ${live.signed(here[k])}` : ""));
      this.cueWords.replaceChildren(...legend, el("span", {}, this.pair.cues.note));
    }

    async write({ text, temperature, seed }) {
      const [ids] = this.tokens([text]);
      try {
        const message = { what: "write", ids, temperature, seed, count: 40, ...this.rest };
        const written = await this.checkpoints.ask(this.model, this.step, message);
        this.writer.show(text, this.tokenizer.decode(written));
      } catch (error) {
        this.showFault(error);
      }
    }
  }

  /* Four beginnings (two subjects by two nouns beside the verb), two verbs each: how much of the margin is a liking for a
     verb whatever stands before it, how much hangs on the subject, and how much on the noun that stands nearest. */
  function contrasts(scores) {
    const margin = (i) => scores[2 * i] - scores[2 * i + 1];
    const [oneOne, oneMany, manyOne, manyMany] = [0, 1, 2, 3].map(margin);
    return [
      (oneOne + oneMany + manyOne + manyMany) / 4,
      (oneOne + oneMany - manyOne - manyMany) / 4,
      (oneOne - oneMany + manyOne - manyMany) / 4,
    ];
  }
});
