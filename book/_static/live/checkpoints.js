/* Fetches checkpoints when they are first needed, and has them kept by the thread that computes.

   Each file is loaded as a script: that is the one way that works on a host and on the disk (file://). What
   comes is told by the file itself, through `live.receive` and its sisters below. */
live.part((live) => {
  "use strict";

  const arrived = new Map();
  live.receive = (model, step, text) => arrived.set(`${model} ${step}`, text);
  live.receiveModels = (models) => (live.models = models);
  live.receiveVocabulary = (vocabulary) => (live.vocabulary = vocabulary);

  /* Load a script of the site, once; a failed one may be tried again. */
  live.script = (address) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = () => resolve(script.remove());
      script.onerror = () => {
        script.remove();
        reject(new Error("it could not be fetched"));
      };
      document.head.append(script);
    });

  live.Checkpoints = class {
    constructor(folder) {
      this.folder = folder;
      this.asker = new live.Asker();
      this.ready = new Map();
      this.bytes = 0; // that were fetched so far
    }

    /* A promise that a checkpoint can be asked. */
    need(model, step) {
      const key = `${model.name} ${step}`;
      if (!this.ready.has(key)) {
        const fetched = this.fetch(model, step, key);
        fetched.catch(() => this.ready.delete(key));
        this.ready.set(key, fetched);
      }
      return this.ready.get(key);
    }

    async fetch(model, step, key) {
      const checksum = model.checksums[model.steps.indexOf(step)];
      try {
        await live.script(new URL(`${model.name}/step${step}.js?v=${checksum.toString(16)}`, this.folder));
        if (!arrived.has(key)) throw new Error("the file is broken");
        const halves = live.halves(arrived.get(key));
        arrived.delete(key);
        this.bytes += 2 * halves.length;
        const message = { what: "take", model: model.name, step, config: model.config, halves, checksum };
        await this.asker.ask(message, [halves.buffer]);
      } catch (error) {
        throw new Error(`The checkpoint of ${model.name} at step ${step} cannot be used: ${error.message}.`);
      }
    }

    /* Ask a checkpoint, which is fetched if need be. */
    async ask(model, step, message) {
      await this.need(model, step);
      return this.asker.ask({ ...message, model: model.name, step });
    }
  };
});
