/* Reads the numbers of the page: columns as `pythia_utils/analysis/explorer/pack.py` writes them.

   Deflated and in base64 stand four bytes (the length of the head), the head (JSON: how many rows, which columns),
   then each column as planes of bytes: all first bytes of its 32-bit numbers, all second ones, and so on. */
window.PythiaExplorer = {};
(() => {
  "use strict";

  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* The bytes of 32-bit numbers, from their four planes. */
  function together(planes) {
    const rows = planes.length / 4;
    const bytes = new Uint8Array(planes.length);
    for (let plane = 0; plane < 4; plane++) {
      for (let row = 0; row < rows; row++) bytes[4 * row + plane] = planes[plane * rows + row];
    }
    return bytes.buffer;
  }

  /* A table: `rows`, `columns` (a typed array each; names as numbers) and `names` (what these numbers stand for). */
  async function read(text) {
    const bytes = await inflate(text);
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const table = { rows: head.rows, columns: {}, names: {} };
    let at = 4 + length;
    for (const { name, type, names } of head.columns) {
      const numbers = together(bytes.subarray(at, (at += 4 * head.rows)));
      table.columns[name] = type === "float32" ? new Float32Array(numbers) : new Int32Array(numbers);
      if (names) table.names[name] = names;
    }
    return table;
  }

  PythiaExplorer.read = read;
})();
