/* Colours of charts on a dark page, by one rule: a colour has there, with the page's ground, the contrast that it
   has with white on a light page. Its hue stays: it is mixed with white, or dimmed, until it is so. */
(() => {
  "use strict";

  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const encoded = (part) => (part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055);
  const parts = (colour) => [1, 3, 5].map((at) => linear(parseInt(colour.slice(at, at + 2), 16) / 255));
  const brightness = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const hex = (light) =>
    `#${light.map((part) => Math.round(255 * encoded(Math.min(1, Math.max(0, part)))).toString(16).padStart(2, "0")).join("")}`;

  /* Rounded away from the ground, so that the contrast is not less. */
  function onDark(colour, ground) {
    const own = parts(colour);
    const is = brightness(own);
    const contrast = 1.05 / (is + 0.05);
    const wanted = Math.min(1, 1.02 * contrast * (brightness(parts(ground)) + 0.05) - 0.05);
    if (wanted <= is) return hex(own.map((part) => (part * wanted) / is));
    const share = (wanted - is) / (1 - is);
    return hex(own.map((part) => part + share * (1 - part)));
  }

  /* A specification with all of its colours so; its data are left alone. */
  function inDark(spec, ground) {
    if (typeof spec === "string") return /^#[0-9a-f]{6}$/i.test(spec) ? onDark(spec, ground) : spec;
    if (Array.isArray(spec)) return spec.map((each) => inDark(each, ground));
    if (spec === null || typeof spec !== "object") return spec;
    return Object.fromEntries(
      Object.entries(spec).map(([key, value]) => [key, key === "data" || key === "datasets" ? value : inDark(value, ground)]),
    );
  }

  Object.assign((window.bookCharts ??= {}), { onDark, inDark });
})();
