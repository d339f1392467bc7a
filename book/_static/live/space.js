/* The model in the page: a language model of this book, run by your own browser.

   Read the files in this order; the first four need no page and no library:

     tokenizer.js   text to tokens
     weights.js     a checkpoint's file to the numbers of a network
     network.js     GPT-NeoX: tokens to probabilities (begin here if you have ten minutes)
     questions.js   what can be asked of a network: surprise, pairs, lens, writing
     worker.js      the questions asked in a thread of their own, so that the page never freezes
     checkpoints.js fetches checkpoints when they are first needed
     chart.js, strip.js, views.js, tour.js, app.js    what you see

   They are classic scripts and not modules, for browsers load no modules from the disk (file://). Each
   puts what it makes into the one name `live`. */
"use strict";

globalThis.live = {
  engine: [], // the parts that the worker has too, as functions: their text is what it is made from

  /* A part that only the page has. */
  part(define) {
    define(live);
  },

  /* A part that computes: the worker has it as well. It may use nothing but `live`. */
  enginePart(define) {
    live.engine.push(define);
    define(live);
  },
};
