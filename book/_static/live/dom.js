/* Elements of a page, made in one line each. Text that comes from a reader or a model is put in as text. */
live.part((live) => {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";

  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  /* live.el("button", {type: "button", onclick}, "text", child, ...) */
  live.el = (kind, attributes = {}, ...children) => filled(document.createElement(kind), attributes, children);
  live.svg = (kind, attributes = {}, ...children) => filled(document.createElementNS(SVG, kind), attributes, children);

  live.signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  live.count = (value) => value.toLocaleString("en-GB");

  /* "2.1 times as likely", for a difference of log-probabilities. */
  live.times = (nats) => {
    const times = Math.exp(Math.abs(nats));
    if (times > 1e6) return "more than a million times as likely";
    return `${times < 10 ? times.toFixed(1) : live.count(Math.round(times))} times as likely`;
  };

  /* A token as it is shown: blanks that begin it are not, what cannot be seen is named. */
  live.shown = (tokenizer, id) => {
    if (id === undefined) return "";
    if (tokenizer.special.includes(tokenizer.tokens[id])) return id === tokenizer.unknown ? "‹end or unknown›" : "‹padding›";
    const text = tokenizer.decode([id]);
    return text.trim() === "" ? "␣" : text.trimStart();
  };

  /* Make parts of an element anew, and give the focus back to the one that had it, which its `data-key` tells. */
  live.keepingFocus = (element, make) => {
    const active = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    make();
    if (active !== undefined) element.querySelector(`[data-key="${active}"]`)?.focus();
  };

  let ids = 0;
  live.id = (name) => `live-${name}-${ids++}`;
});
