/* Text to tokens and back: byte-level BPE, as the library `tokenizers` does it for the suites of this book.

     "The boys ran 12"  →  " The"  " boys"  " ran"  " "  "1"  "2"

   1. A blank goes in front, so that a word is one token wherever it stands.
   2. The text is cut into words, each with the blank before it.
   3. Each byte of a word becomes a visible letter (a blank becomes Ġ), and digits are cut off one by one.
   4. Within a piece, neighbours are merged, the pair that was learnt first before all others, until no pair is left.
   5. What is not in the vocabulary then, such as the bytes of an emoji, is the unknown token. */
live.enginePart((live) => {
  "use strict";

  const WORDS =
    /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
  const DIGIT_OR_REST = /\p{N}|\P{N}+/gu;

  /* The letter of each byte: itself if it is visible, else one from behind the first 256. */
  const LETTERS = (() => {
    const isVisible = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    let next = 256;
    return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isVisible(byte) ? byte : next++));
  })();
  const BYTES = new Map(LETTERS.map((letter, byte) => [letter, byte]));

  live.Tokenizer = class {
    /* `tokens` in the order of their ids, `merges` as pairs in the order in which they were learnt, `special`
       tokens that stand for themselves in a text, and the id of the `unknown` token. */
    constructor({ tokens, merges, special, unknown }) {
      this.tokens = tokens;
      this.unknown = unknown;
      this.special = special;
      this.ids = new Map(tokens.map((token, id) => [token, id]));
      this.ranks = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
      this.known = new Map(); // pieces that were merged already
      const escaped = special.map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
      this.specials = new RegExp(`(${escaped.join("|")})`);
    }

    /* The ids of a text's tokens. */
    encode(text) {
      const parts = text.split(this.specials).filter((part) => part !== "");
      return parts.flatMap((part) => (this.special.includes(part) ? [this.ids.get(part)] : this.encodePlain(part)));
    }

    encodePlain(text) {
      const spaced = text.startsWith(" ") ? text : ` ${text}`;
      const words = spaced.match(WORDS) ?? [];
      return words.flatMap((word) => {
        const letters = Array.from(new TextEncoder().encode(word), (byte) => LETTERS[byte]).join("");
        return letters.match(DIGIT_OR_REST).flatMap((piece) => this.merged(piece));
      });
    }

    merged(piece) {
      if (!this.known.has(piece)) {
        const ids = this.merge(Array.from(piece)).map((token) => this.ids.get(token) ?? this.unknown);
        this.known.set(piece, ids);
      }
      return this.known.get(piece);
    }

    /* Merge neighbours, the earliest learnt first; of equals the leftmost. */
    merge(parts) {
      for (;;) {
        let best = Infinity;
        let place = -1;
        for (let i = 0; i + 1 < parts.length; i++) {
          const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
          if (rank < best) [best, place] = [rank, i];
        }
        if (place < 0) return parts;
        parts.splice(place, 2, parts[place] + parts[place + 1]);
      }
    }

    /* The text of some tokens; special ones are shown as they are called. */
    decode(ids) {
      const pieces = ids.map((id) => this.tokens[id]);
      let text = "";
      let bytes = [];
      const flush = () => {
        text += new TextDecoder().decode(new Uint8Array(bytes));
        bytes = [];
      };
      for (const piece of pieces) {
        if (this.special.includes(piece)) {
          flush();
          text += piece;
        } else bytes.push(...Array.from(piece, (letter) => BYTES.get(letter)));
      }
      flush();
      return text;
    }
  };
});
