/* Networks for a page: load one, give it a photo, look inside.

   const network = await carvana.load("unet");
   const {width, height, mask} = await network.predict(file);
   const stages = await network.stages();

   The layers are computed by workers, each with a strip of the photo's
   rows (engine.js), so that the page stays alive. */
"use strict";

(() => {
  const arrived = {}; // files of networks, as `receive` got them

  // Its file is a script that says: carvana.receive("unet", {…}).
  function receive(name, file) {
    arrived[name] = file;
  }

  function startWorker(code) {
    const blob = new Blob([`(${code})()`], {type: "text/javascript"});
    const worker = new Worker(URL.createObjectURL(blob));
    // One task after the other: an answer belongs to the oldest one.
    const open = [];
    worker.onmessage = ({data}) => {
      if (data.stage) return open[0].onstage?.(data.stage);
      const {done, failed} = open.shift();
      if (data.error === undefined) done(data.answer);
      else failed(new Error(data.error));
    };
    // Where a page may start none, or one has no memory left
    worker.onerror = ({message}) => worker.end(
      "The browser stopped a part of this page: "
      + `${message || "it gives no reason"}. Load it again.`);
    worker.end = (reason) => {
      worker.terminate();
      worker.ended = true;
      for (const {failed} of open.splice(0)) failed(new Error(reason));
    };
    worker.ask = (task, transfer = [], onstage) =>
      new Promise((done, failed) => {
        open.push({done, failed, onstage});
        worker.postMessage(task, transfer);
      });
    return worker;
  }

  class Network {
    #weights;

    constructor({weights, ...about}, strips) {
      Object.assign(this, about, {strips, busy: Promise.resolve()});
      this.#weights = weights;
    }

    /* Start its workers, all connected with each other. */
    async start() {
      const {layers, strips} = this;
      this.workers = Array.from(
        {length: strips}, () => startWorker(carvana.engine));
      const ports = this.workers.map(() => Array(strips).fill(null));
      for (let a = 0; a < strips; a++)
        for (let b = a + 1; b < strips; b++) {
          const channel = new MessageChannel();
          [ports[a][b], ports[b][a]] = [channel.port1, channel.port2];
        }
      await Promise.all(this.workers.map((worker, strip) => {
        const buffer = decodeBase64(this.#weights);
        const own = ports[strip];
        return worker.ask(
          {task: "network", buffer, layers, strip, strips, ports: own},
          [buffer, ...own.filter(Boolean)]);
      }));
    }

    /* Logits of one photo: `values` has 3 × height × width numbers
       between 0 and 1, red first, sides multiples of `size_divisor`.
       `changes` are what a page does to the network, see `unpool`,
       `coordinates`, `convolve` and `run` in engine.js. The answer has
       `logits` and, where they are asked for, the maps of `stages`. */
    logits(values, height, width,
      {changes = {}, onstage, stages} = {}) {
      const unit = this.size_divisor;
      if (height % unit || width % unit)
        throw new Error("Height and width must be multiples of "
          + `${unit}, not ${height} and ${width}.`);
      return this.#turn(async () => {
        const logits = await this.#run(
          values, height, width, changes, onstage);
        return {logits, stages: stages ? await this.#stages() : null};
      });
    }

    // One after the other, because the workers wait for each other. If
    // one fails, another may wait for its rows: all end.
    #turn(work) {
      const answer = this.busy.then(work);
      this.busy = answer.catch(() => this.close());
      return answer;
    }

    // Strips begin where every pool begins.
    async #run(values, height, width, changes, onstage) {
      if (!this.workers) await this.start();
      const unit = this.size_divisor, {strips} = this;
      const starts = Array.from({length: strips + 1},
        (_, k) => unit * Math.round((k * height) / unit / strips));
      const parts = this.workers.map((worker, k) => {
        const [top, end] = [starts[k], starts[k + 1]];
        const strip = new Float32Array(3 * (end - top) * width);
        for (let c = 0; c < 3; c++)
          strip.set(values.subarray((c * height + top) * width,
            (c * height + end) * width), c * (end - top) * width);
        return worker.ask(
          {task: "run", values: strip, width, starts, changes},
          [strip.buffer], k ? undefined : onstage);
      });
      return join(await Promise.all(parts), this.classes);
    }

    /* Names and maps of the last answer: {name, channels, height,
       width, values} of every stage. */
    stages() {
      return this.#turn(() => this.#stages());
    }

    async #stages() {
      const strips = await Promise.all(
        this.workers.map((worker) => worker.ask({task: "stages"})));
      return strips[0].map(([name, first], k) => ({
        name, channels: first.channels, height: first.full,
        width: first.width,
        values: join(strips.map((strip) => strip[k][1].values),
          first.channels),
      }));
    }

    /* End its workers: what they hold is given back. */
    close() {
      for (const worker of this.workers ?? [])
        worker.end("The network was closed.");
      this.workers = null;
    }
  }

  // Strips of rows, one below the other, channel by channel
  function join(strips, channels) {
    const size = strips.reduce((sum, strip) => sum + strip.length, 0);
    const out = new Float32Array(size);
    let at = 0;
    for (let c = 0; c < channels; c++)
      for (const strip of strips) {
        const part = strip.length / channels;
        out.set(strip.subarray(c * part, (c + 1) * part), at);
        at += part;
      }
    return out;
  }

  function decodeBase64(text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let k = 0; k < bytes.length; k++)
      bytes[k] = letters.charCodeAt(k);
    return bytes.buffer;
  }

  /* A network by its name, ready to compute. `workers`: how many share
     the rows of a photo; unset, one for each core up to four. */
  async function load(name, {workers} = {}) {
    await carvana.loadScript(`${name}.js`);
    const strips = workers
      ?? Math.min(4, navigator.hardwareConcurrency || 1);
    if (!arrived[name])
      throw new Error(`The file ${name}.js holds no network of that `
        + "name: give it the name back that it was written with.");
    const network = new Network(arrived[name], strips);
    await network.start().catch((error) => {
      network.close();
      throw error;
    });
    return network;
  }

  Object.assign(carvana, {load, receive, startWorker, Network});
})();
