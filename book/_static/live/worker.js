/* The questions asked in a thread of their own. The worker is made from the text of the parts that compute, so that
   it can be made where the page comes from the disk, too. Where a browser makes none, the page answers itself, one
   question at a time. */
live.enginePart((live) => {
  "use strict";

  /* Keeps networks, and answers messages {what, model, step, ...}. */
  live.Engine = class {
    constructor() {
      this.networks = new Map();
      this.means = new Map(); // by network, for one reference
    }

    answer(message) {
      return this[message.what](message);
    }

    /* Take a checkpoint's weights. */
    take({ model, step, config, halves, checksum }) {
      this.networks.set(`${model} ${step}`, new live.Network(config, live.unpack(halves, config, checksum)));
    }

    /* What is shown of each of some texts. */
    look({ texts, ...rest }) {
      const [network, options] = this.ready(rest);
      return texts.map((ids) => live.look(network, ids, options));
    }

    /* The log-probability of each of some texts. */
    score({ texts, ...rest }) {
      const [network, options] = this.ready(rest);
      return texts.map((ids) => live.logProbability(network, ids, options));
    }

    write({ ids, temperature, seed, count, ...rest }) {
      const [network, options] = this.ready(rest);
      return live.write(network, ids, { ...options, temperature, seed, count });
    }

    ready({ model, step, off = [], reference = [] }) {
      const key = `${model} ${step}`;
      const network = this.networks.get(key);
      if (off.length && !this.means.has(key)) this.means.set(key, live.meanOutputs(network, reference));
      return [network, { off, means: this.means.get(key) }];
    }
  };

  /* In the worker: answer each message, or say why not. */
  live.serve = (scope) => {
    const engine = new live.Engine();
    scope.onmessage = ({ data: { id, message } }) => {
      try {
        scope.postMessage({ id, answer: engine.answer(message) });
      } catch (error) {
        scope.postMessage({ id, error: error.message });
      }
    };
  };
});

live.part((live) => {
  "use strict";

  /* On the page: ask, and get a promise of the answer. */
  live.Asker = class {
    constructor() {
      this.waiting = new Map();
      this.next = 0;
      this.worker = this.makeWorker();
      this.engine = this.worker ? null : new live.Engine();
    }

    makeWorker() {
      const parts = live.engine.map((define) => `(${define})(live);`);
      const text = `"use strict"; const live = { enginePart(define) { define(live); } };\n${parts.join("\n")}\nlive.serve(self);`;
      try {
        const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
        worker.onmessage = ({ data }) => this.settle(data);
        worker.onerror = (event) => this.fail(event.message || "the thread that computes has stopped");
        return worker;
      } catch {
        return null; // a page may forbid workers
      }
    }

    ask(message, transfer = []) {
      const id = this.next++;
      return new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        if (this.worker) this.worker.postMessage({ id, message }, transfer);
        else setTimeout(() => this.askHere(id, message)); // between two questions the page can do something else
      });
    }

    askHere(id, message) {
      try {
        this.settle({ id, answer: this.engine.answer(message) });
      } catch (error) {
        this.settle({ id, error: error.message });
      }
    }

    settle({ id, answer, error }) {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    }

    fail(reason) {
      for (const { reject } of this.waiting.values()) reject(new Error(reason));
      this.waiting.clear();
    }
  };
});
