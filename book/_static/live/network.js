/* GPT-NeoX, the architecture of Pythia and of this book's small models: tokens to probabilities.

   Each token becomes a vector, the *residual stream* of its place. Layer after layer adds to it:

     stream ──┬── norm ── attention: looks back at earlier places ──┐
              ├── norm ── MLP: works on this place alone ───────────┤     both read the same stream (in parallel)
              └──────────────────────────────────────────────────── + ──  stream of the next layer

   The last stream, normed, is compared with a vector for each token of the vocabulary: the more alike, the
   more probable is this token as the next one. Tokens are read one at a time. What attention needs of earlier
   ones, their keys and values, stays in a `memory`, so that a text that grows is never read twice. */
live.enginePart((live) => {
  "use strict";

  live.Network = class {
    /* `config` has layers, width, heads, inner, vocabulary, rotary (how many numbers of a head are turned), theta,
       epsilon and parallel; `weights` are those of `live.unpack`. */
    constructor(config, weights) {
      this.config = config;
      this.weights = weights;
      this.headWidth = config.width / config.heads;
    }

    /* What a text that has not begun is remembered by: of each layer the keys and values of its places. */
    memory() {
      return Array.from({ length: this.config.layers }, () => ({ keys: [], values: [] }));
    }

    /* Read one token more. Returns the streams of its place: before the first layer, and behind each.

       `watch.pattern(layer, head, weights)` is told where a head looks: a weight for each place, which sum to 1.
       `watch.head(layer, head, said)` is told what a head says; what it returns, if anything, is said instead. */
    read(token, memory, watch = {}) {
      const { layers, width } = this.config;
      const embedding = this.weights["embed_in.weight"];
      let stream = embedding.slice(token * width, (token + 1) * width);
      const streams = [stream];
      for (let layer = 0; layer < layers; layer++) {
        stream = this.layer(layer, stream, memory[layer], watch);
        streams.push(stream);
      }
      return streams;
    }

    layer(layer, stream, memory, watch) {
      const attended = this.attention(layer, this.norm(`${layer}.input_layernorm`, stream), memory, watch);
      const after = stream.map((value, i) => value + attended[i]);
      // Pythia's MLP reads what attention read. In other networks it reads what attention has made of it.
      const read = this.config.parallel ? stream : after;
      const worked = this.mlp(layer, this.norm(`${layer}.post_attention_layernorm`, read));
      return after.map((value, i) => value + worked[i]);
    }

    /* Each head asks with a query; each place, this one too, answers with its key. The better they match, the more
       of that place's value is brought here. */
    attention(layer, normed, memory, watch) {
      const { heads, width } = this.config;
      const size = this.headWidth;
      const mixed = this.linear(`${layer}.attention.query_key_value`, normed);
      const place = memory.keys.length; // of this token
      memory.keys.push([]);
      memory.values.push([]);
      const all = new Float32Array(width);
      for (let head = 0; head < heads; head++) {
        const at = 3 * size * head; // a head's query, key and value lie side by side
        const query = this.turned(mixed.subarray(at, at + size), place);
        memory.keys[place].push(this.turned(mixed.subarray(at + size, at + 2 * size), place));
        memory.values[place].push(mixed.subarray(at + 2 * size, at + 3 * size));
        const weights = this.softmax(memory.keys.map((keys) => dot(query, keys[head]) / Math.sqrt(size)));
        watch.pattern?.(layer, head, weights);
        const said = new Float32Array(size);
        weights.forEach((weight, from) => {
          const value = memory.values[from][head];
          for (let i = 0; i < size; i++) said[i] += weight * value[i];
        });
        all.set(watch.head?.(layer, head, said) ?? said, head * size);
      }
      return this.linear(`${layer}.attention.dense`, all);
    }

    /* Rotary positions: the first numbers of a query or key, in pairs half of them apart, are turned like the
       hands of clocks that go at different speeds. How well two match then depends on how far apart they stand. */
    turned(vector, place) {
      const { rotary, theta } = this.config;
      const half = rotary / 2;
      const turned = vector.slice();
      for (let i = 0; i < half; i++) {
        const angle = place * theta ** (-i / half);
        turned[i] = vector[i] * Math.cos(angle) - vector[i + half] * Math.sin(angle);
        turned[i + half] = vector[i + half] * Math.cos(angle) + vector[i] * Math.sin(angle);
      }
      return turned;
    }

    mlp(layer, normed) {
      return this.linear(`${layer}.mlp.dense_4h_to_h`, this.linear(`${layer}.mlp.dense_h_to_4h`, normed).map(gelu));
    }

    /* Mean 0 and variance 1, then a scale and a shift of each number that were learnt. */
    norm(name, vector) {
      const scale = this.weights[`${name}.weight`];
      const shift = this.weights[`${name}.bias`];
      const mean = sum(vector) / vector.length;
      const centred = vector.map((value) => value - mean);
      const deviation = Math.sqrt(dot(centred, centred) / vector.length + this.config.epsilon);
      return centred.map((value, i) => (value / deviation) * scale[i] + shift[i]);
    }

    linear(name, vector) {
      return product(this.weights[`${name}.weight`], vector, this.weights[`${name}.bias`]);
    }

    softmax(scores) {
      const most = Math.max(...scores);
      const raised = scores.map((score) => Math.exp(score - most));
      const total = sum(raised);
      return Float32Array.from(raised, (value) => value / total);
    }

    /* The log-probability of every token as the next one, by a stream of any depth. By the last it is the network's
       answer, by an earlier one what it would answer if it stopped there (the logit lens). */
    logProbabilities(stream) {
      const logits = product(this.weights["embed_out.weight"], this.norm("final_layer_norm", stream));
      let most = -Infinity;
      for (const logit of logits) most = Math.max(most, logit);
      let total = 0;
      for (const logit of logits) total += Math.exp(logit - most);
      return logits.map((logit) => logit - most - Math.log(total));
    }
  };

  /* Matrix times vector. The matrix lies row by row; this loop is where the time goes. */
  function product(matrix, vector, bias) {
    const width = vector.length;
    const result = new Float32Array(matrix.length / width);
    for (let row = 0, at = 0; row < result.length; row++) {
      let value = bias ? bias[row] : 0;
      for (let i = 0; i < width; i++, at++) value += matrix[at] * vector[i];
      result[row] = value;
    }
    return result;
  }

  function dot(one, other) {
    let value = 0;
    for (let i = 0; i < one.length; i++) value += one[i] * other[i];
    return value;
  }

  const sum = (vector) => vector.reduce((total, value) => total + value, 0);

  /* x times the share of a normal distribution that lies below x. */
  const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));

  /* The error function, to 1.5e-7 (Abramowitz and Stegun 1964, formula 7.1.26). */
  function erf(x) {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return Math.sign(x) * (1 - series * Math.exp(-x * x));
  }
});
