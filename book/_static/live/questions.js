/* What can be asked of a network. Nats are natural logarithms: a surprise of 1 nat is a chance of 1 in 2.72.

   The end-of-text token, 0, stands before each text, so that its first word is predicted too. A head that is
   switched off says what it says on average at its place, over texts that are read for reference: what it says
   of these very words is gone (mean ablation, as in the package's `evaluation.ablation`). */
live.enginePart((live) => {
  "use strict";

  const BEGIN = 0;

  /* Watches that replace what the heads of `off`, such as "1.0" for layer 1 and head 0, say at each place. */
  function silenced(off, means, place) {
    if (!off.length) return undefined;
    return (layer, head) => {
      if (!off.includes(`${layer}.${head}`)) return undefined;
      const places = means[layer][head];
      return places[Math.min(place, places.length - 1)];
    };
  }

  /* What each head says on average at each place of some rows of tokens: [layer][head][place], vectors. */
  live.meanOutputs = (network, rows) => {
    const { layers, heads } = network.config;
    const places = () => rows[0].map(() => new Float32Array(network.headWidth));
    const means = Array.from({ length: layers }, () => Array.from({ length: heads }, places));
    for (const row of rows) {
      const memory = network.memory();
      row.forEach((token, place) => {
        network.read(token, memory, {
          head(layer, head, said) {
            const mean = means[layer][head][place];
            for (let i = 0; i < said.length; i++) mean[i] += said[i] / rows.length;
          },
        });
      });
    }
    return means;
  };

  /* Read a text; call `at(place, streams, target)` at each place, the one before the first token too. The target is
     the token that comes next, undefined behind the last. */
  function readThrough(network, ids, { off = [], means = null, watch = {} }, at) {
    const memory = network.memory();
    [BEGIN, ...ids].forEach((token, place) => {
      const head = silenced(off, means, place);
      at(place, network.read(token, memory, { ...watch, head }), ids[place]);
    });
  }

  /* The log-probability of a text, in nats: a sum over its tokens. */
  live.logProbability = (network, ids, options = {}) => {
    let total = 0;
    readThrough(network, ids, options, (place, streams, target) => {
      if (target !== undefined) total += network.logProbabilities(streams.at(-1))[target];
    });
    return total;
  };

  /* All that the page shows of a text:
       nats        of each token its surprise, -log p
       next        at each place the likeliest tokens, as [id, p]: what could come next
       patterns    [layer][head][place]: where a head looks from there
       lens        [depth][place]: the likeliest token by the stream of that depth, and the surprise of the one that came */
  live.look = (network, ids, { shown = 10, ...options } = {}) => {
    const { layers, heads } = network.config;
    const patterns = Array.from({ length: layers }, () => Array.from({ length: heads }, () => []));
    const watch = { pattern: (layer, head, weights) => patterns[layer][head].push(weights) };
    const seen = { nats: [], next: [], patterns, lens: Array.from({ length: layers + 1 }, () => []) };
    readThrough(network, ids, { ...options, watch }, (place, streams, target) => {
      const answers = streams.map((stream) => network.logProbabilities(stream));
      const last = answers.at(-1);
      if (target !== undefined) seen.nats.push(-last[target]);
      seen.next.push(live.likeliest(last, shown));
      answers.forEach((answer, depth) => {
        const [[token, p]] = live.likeliest(answer, 1);
        seen.lens[depth].push({ token, p, nats: target === undefined ? null : -answer[target] });
      });
    });
    return seen;
  };

  /* The likeliest tokens and their probabilities. */
  live.likeliest = (logProbabilities, count) => {
    const best = [];
    logProbabilities.forEach((value, id) => {
      if (best.length === count && value <= best.at(-1)[1]) return;
      let place = best.length;
      while (place > 0 && best[place - 1][1] < value) place--;
      best.splice(place, 0, [id, value]);
      best.length = Math.min(best.length, count);
    });
    return best.map(([id, value]) => [id, Math.exp(value)]);
  };

  /* Go on with a text: each token is drawn by its probability, sharpened by a temperature below 1 and blurred by one
     above; at 0 it is the likeliest. The same seed draws the same. Ends with the text or the model's context. */
  live.write = (network, ids, { temperature = 1, seed = 1, count = 30, ...options } = {}) => {
    const { off = [], means = null } = options;
    const random = live.random(seed);
    const memory = network.memory();
    const written = [];
    const pending = [BEGIN, ...ids];
    for (let place = 0; place < network.config.context; place++) {
      const token = pending[place];
      const streams = network.read(token, memory, { head: silenced(off, means, place) });
      if (place + 1 < pending.length) continue;
      const next = draw(network.logProbabilities(streams.at(-1)), temperature, random());
      if (next === BEGIN || written.length === count) break;
      written.push(next);
      pending.push(next);
    }
    return written;
  };

  function draw(logProbabilities, temperature, chance) {
    if (temperature === 0) return live.likeliest(logProbabilities, 1)[0][0];
    const most = Math.max(...logProbabilities);
    const weights = logProbabilities.map((value) => Math.exp((value - most) / temperature));
    let left = chance * weights.reduce((sum, weight) => sum + weight, 0);
    const found = weights.findIndex((weight) => (left -= weight) < 0);
    return found < 0 ? weights.length - 1 : found;
  }

  /* Numbers from 0 to 1 that a seed decides (mulberry32). */
  live.random = (seed) => {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  };
});
