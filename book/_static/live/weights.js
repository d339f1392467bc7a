/* A checkpoint's file to the numbers of a network.

   A file is a script of one line, `live.receive("pico-57k", 16, "...")`. In the string each character *is* a weight:
   a character of JavaScript is a number of 16 bits, and so is a weight (half precision: a sign, 5 bits of
   exponent, 10 of fraction). So a weight takes two bytes on the disk, and nothing need be unpacked. */
live.enginePart((live) => {
  "use strict";

  /* The weights of a string, as they lie in it. */
  live.halves = (text) => {
    const halves = new Uint16Array(text.length);
    for (let i = 0; i < text.length; i++) halves[i] = text.charCodeAt(i);
    return halves;
  };

  /* The number that 16 bits stand for (IEEE 754, binary16). */
  live.number = (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
  };

  const numbers = Float32Array.from({ length: 1 << 16 }, (_, half) => live.number(half)); // all there are

  /* Adler's checksum (RFC 1950) of the weights' bytes. */
  live.checksum = (halves) => {
    let one = 1;
    let two = 0;
    for (let i = 0; i < halves.length; i++) {
      one += halves[i] & 255;
      two += one;
      one += halves[i] >> 8;
      two += one;
      if (i % 2048 === 2047) [one, two] = [one % 65521, two % 65521]; // seldom, for a division takes long
    }
    return (two % 65521) * 65536 + (one % 65521);
  };

  /* Names and sizes of a network's parts, in the order of a file. The names are those of transformers. */
  live.layout = ({ layers, width, inner, vocabulary }) => {
    const linear = (name, from, to) => [[`${name}.weight`, to * from], [`${name}.bias`, to]];
    const norm = (name) => [[`${name}.weight`, width], [`${name}.bias`, width]];
    const layer = (_, l) => [
      ...norm(`${l}.input_layernorm`),
      ...norm(`${l}.post_attention_layernorm`),
      ...linear(`${l}.attention.query_key_value`, width, 3 * width),
      ...linear(`${l}.attention.dense`, width, width),
      ...linear(`${l}.mlp.dense_h_to_4h`, width, inner),
      ...linear(`${l}.mlp.dense_4h_to_h`, inner, width),
    ];
    return [
      ["embed_in.weight", vocabulary * width],
      ...Array.from({ length: layers }, layer).flat(),
      ...norm("final_layer_norm"),
      ["embed_out.weight", vocabulary * width],
    ];
  };

  /* The parts of a network by name, as numbers. Throws if the file is not whole, or not of this shape. */
  live.unpack = (halves, config, checksum) => {
    const layout = live.layout(config);
    const wanted = layout.reduce((sum, [, size]) => sum + size, 0);
    if (halves.length !== wanted) {
      throw new Error(`it holds ${halves.length.toLocaleString("en")} weights; the model has ${wanted.toLocaleString("en")}`);
    }
    if (live.checksum(halves) !== checksum) throw new Error("its checksum is not the one that this site tells");
    const weights = {};
    let start = 0;
    for (const [name, size] of layout) {
      const part = (weights[name] = new Float32Array(size));
      for (let i = 0; i < size; i++) part[i] = numbers[halves[start + i]];
      start += size;
    }
    return weights;
  };
});
