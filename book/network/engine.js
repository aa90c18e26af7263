/* A network of the course in plain JavaScript, without any library:
   what each worker does with its strip of rows of every map. The
   appendix "A U-Net in JavaScript" explains this file. */
"use strict";

carvana.engine = function () {
  let layers, tensors, maps, places, changes;
  let strip, strips, neighbours; // which of how many; their ports
  let starts; // the first row of each strip, and the photo's height

  // safetensors: 8 bytes with the length of a JSON text, that text,
  // and the numbers, here all in half precision.
  function readTensors(buffer) {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    const text = new TextDecoder().decode(
      new Uint8Array(buffer, 8, length));
    const found = {};
    for (const [name, entry] of Object.entries(JSON.parse(text))) {
      if (entry.dtype !== "F16") continue; // counters of batch norm
      const [start, end] = entry.data_offsets;
      const view = new DataView(buffer, 8 + length + start);
      const values = new Float32Array((end - start) / 2);
      for (let k = 0; k < values.length; k++)
        values[k] = fromHalf(view.getUint16(2 * k, true));
      found[name] = {shape: entry.shape, values};
    }
    return found;
  }

  // 1 bit sign, 5 bits exponent, 10 bits fraction
  function fromHalf(bits) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent
      ? (1 + fraction / 1024) * 2 ** (exponent - 15)
      : fraction / 2 ** 24;
    return bits & 0x8000 ? -size : size;
  }

  // A batch norm multiplies each channel by one number and adds one:
  // the convolution before it can do both. Four channels of output
  // are computed together; their weights lie side by side.
  function prepareConvolution(layer) {
    const {shape, values} = tensors[layer.weight + ".weight"];
    const [outputs, inputs, side] = shape, taps = side * side;
    const groups = Math.ceil(outputs / 4);
    const bias = new Float64Array(4 * groups);
    bias.set(tensors[layer.weight + ".bias"].values);
    const gains = new Float64Array(outputs).fill(1);
    if (layer.norm) {
      const norm = (part) => tensors[`${layer.norm}.${part}`].values;
      const mean = norm("running_mean");
      const variance = norm("running_var");
      for (let o = 0; o < outputs; o++) {
        gains[o] = norm("weight")[o]
          / Math.sqrt(variance[o] + layer.epsilon);
        bias[o] = (bias[o] - mean[o]) * gains[o] + norm("bias")[o];
      }
    }
    const packed = new Float64Array(groups * inputs * taps * 4);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++)
        for (let t = 0; t < taps; t++)
          packed[(((o >> 2) * inputs + i) * taps + t) * 4 + (o & 3)]
            = values[(o * inputs + i) * taps + t] * gains[o];
    return {outputs, inputs, side, bias, weights: packed};
  }

  // A transposed convolution of 2×2 and stride 2 gives four pixels
  // for each, from weights of (inputs, outputs, 2, 2).
  function prepareTransposed(layer) {
    const {shape, values} = tensors[layer.weight + ".weight"];
    const [inputs, outputs] = shape;
    const weights = new Float64Array(values.length);
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < outputs; o++)
        for (let t = 0; t < 4; t++)
          weights[(o * inputs + i) * 4 + t]
            = values[(i * outputs + o) * 4 + t];
    const bias = tensors[layer.weight + ".bias"].values;
    return {outputs, inputs, bias, weights};
  }

  // A map is {channels, height, width, top, full, values}: our rows
  // begin at `top` of the `full` ones.
  function newMap({height, width, top, full}, channels, times = 1) {
    const sides = {height: height * times, width: width * times};
    const values = new Float32Array(
      channels * sides.height * sides.width);
    return {channels, ...sides, top: top * times,
      full: full * times, values};
  }

  // The map with `reach` pixels around it: zeros beyond the photo,
  // and rows that other strips have.
  async function padded(map, reach) {
    const {channels, height, width, top, full, values} = map;
    const wide = width + 2 * reach, tall = height + 2 * reach;
    const out = new Float32Array(channels * tall * wide);
    const put = (rows, from, count) => {
      for (let c = 0; c < channels; c++)
        for (let y = 0; y < count; y++) {
          const at = (c * count + y) * width;
          out.set(rows.subarray(at, at + width),
            (c * tall + from + y - top + reach) * wide + reach);
        }
    };
    put(values, top, height);
    if (reach && strips > 1)
      for (const {rows, from, count} of await exchange(map, reach))
        put(rows, from, count);
    return out;
  }

  // Send each strip the rows that it needs of ours; take theirs.
  async function exchange(map, reach) {
    const {channels, height, width, top, full, values} = map;
    const first = (k) => firstRow(k, full);
    const overlap = (owner, reader) => {
      const from = Math.max(first(owner), first(reader) - reach);
      const to = Math.min(
        first(owner + 1), first(reader + 1) + reach);
      return [from, Math.max(0, to - from)];
    };
    const incoming = [];
    for (let k = 0; k < strips; k++) {
      if (k === strip) continue;
      const [from, count] = overlap(strip, k);
      if (count) {
        const rows = new Float32Array(channels * count * width);
        for (let c = 0; c < channels; c++) {
          const at = (c * height + from - top) * width;
          rows.set(values.subarray(at, at + count * width),
            c * count * width);
        }
        neighbours[k].port.postMessage(
          {rows, from, count}, [rows.buffer]);
      }
      if (overlap(k, strip)[1]) incoming.push(receive(neighbours[k]));
    }
    return Promise.all(incoming);
  }

  // Where the k-th strip begins in a map of `full` rows
  const firstRow = (k, full) => (starts[k] * full) / starts[strips];

  function receive(neighbour) {
    if (neighbour.waiting.length)
      return Promise.resolve(neighbour.waiting.shift());
    return new Promise((found) => neighbour.wanted.push(found));
  }

  // The inner loop: four output channels and one kernel row at once,
  // so that each pixel that is read serves four sums.
  function addThree(sums, input, at, step, width, weights, w) {
    const a0 = weights[w], a1 = weights[w + 1],
      a2 = weights[w + 2], a3 = weights[w + 3],
      b0 = weights[w + 4], b1 = weights[w + 5],
      b2 = weights[w + 6], b3 = weights[w + 7],
      c0 = weights[w + 8], c1 = weights[w + 9],
      c2 = weights[w + 10], c3 = weights[w + 11];
    for (let x = 0, s = 0; x < width; x++, s += 4) {
      const a = input[at + x], b = input[at + x + step],
        c = input[at + x + 2 * step];
      sums[s] += a0 * a + b0 * b + c0 * c;
      sums[s + 1] += a1 * a + b1 * b + c1 * c;
      sums[s + 2] += a2 * a + b2 * b + c2 * c;
      sums[s + 3] += a3 * a + b3 * b + c3 * c;
    }
  }

  function addOne(sums, input, at, width, weights, w) {
    const w0 = weights[w], w1 = weights[w + 1],
      w2 = weights[w + 2], w3 = weights[w + 3];
    for (let x = 0, s = 0; x < width; x++, s += 4) {
      const value = input[at + x];
      sums[s] += w0 * value;
      sums[s + 1] += w1 * value;
      sums[s + 2] += w2 * value;
      sums[s + 3] += w3 * value;
    }
  }

  async function convolve(map, layer) {
    const {outputs, inputs, side, bias, weights} = layer.ready;
    const rate = changes.rates?.[layer.to] ?? layer.dilation;
    const reach = (rate * (side - 1)) / 2;
    const input = await padded(map, reach);
    const {height, width} = map;
    const wide = width + 2 * reach, tall = height + 2 * reach;
    const out = newMap(map, outputs);
    const sums = new Float64Array(4 * width);
    for (let o = 0; o < outputs; o += 4)
      for (let y = 0; y < height; y++) {
        for (let s = 0; s < sums.length; s++)
          sums[s] = bias[o + (s & 3)];
        let w = o * inputs * side * side;
        for (let i = 0; i < inputs; i++)
          for (let dy = 0; dy < side; dy++, w += 4 * side) {
            const at = (i * tall + y + dy * rate) * wide;
            if (side === 3)
              addThree(sums, input, at, rate, width, weights, w);
            else addOne(sums, input, at, width, weights, w);
          }
        for (let k = 0; k < 4 && o + k < outputs; k++) {
          const to = ((o + k) * height + y) * width;
          for (let x = 0; x < width; x++) {
            const sum = sums[4 * x + k];
            out.values[to + x] = layer.relu && sum < 0 ? 0 : sum;
          }
        }
      }
    return out;
  }

  function transpose(map, layer) {
    const {outputs, inputs, bias, weights} = layer.ready;
    const {height, width, values} = map;
    const out = newMap(map, outputs, 2);
    const sums = new Float64Array(4 * width);
    for (let o = 0; o < outputs; o++)
      for (let y = 0; y < height; y++) {
        sums.fill(bias[o]);
        for (let i = 0; i < inputs; i++)
          addOne(sums, values, (i * height + y) * width, width,
            weights, (o * inputs + i) * 4);
        const to = (o * 2 * height + 2 * y) * 2 * width;
        for (let x = 0; x < width; x++)
          for (let t = 0; t < 4; t++)
            out.values[to + (t >> 1) * 2 * width + 2 * x + (t & 1)]
              = sums[4 * x + t];
      }
    return out;
  }

  // The largest of 2×2, and which of the four it was; of equal ones
  // the first.
  function pool(map, layer) {
    const {channels, width, values} = map;
    const out = newMap(map, channels, 1 / 2);
    const which = new Uint8Array(out.values.length);
    for (let row = 0, k = 0; row < channels * out.height; row++)
      for (let x = 0; x < width; x += 2, k++) {
        const at = 2 * row * width + x;
        let best = values[at], place = 0;
        for (let t = 1; t < 4; t++) {
          const value = values[at + (t >> 1) * width + (t & 1)];
          if (value > best) { best = value; place = t; }
        }
        out.values[k] = best;
        which[k] = place;
      }
    places[layer.to] = which;
    return out;
  }

  // Each value back to its place in 2×2. A page may ask for others:
  // that of the left neighbour, always the first, or all four.
  function unpool(map, layer) {
    const {channels, height, width, values} = map;
    const out = newMap(map, channels, 2);
    const which = places[layer.places], wanted = changes.places;
    for (let row = 0, k = 0; row < channels * height; row++)
      for (let x = 0; x < width; x++, k++) {
        const at = 4 * row * width + 2 * x;
        const place = wanted === "first" ? 0
          : which[wanted === "neighbour" && x ? k - 1 : k];
        for (let t = 0; t < 4; t++)
          if (t === place || wanted === "all") {
            const to = at + (t >> 1) * 2 * width + (t & 1);
            out.values[to] = values[k];
          }
      }
    return out;
  }

  function concat(parts) {
    const channels = parts.reduce((sum, p) => sum + p.channels, 0);
    const out = newMap(parts[0], channels);
    let at = 0;
    for (const {values} of parts) {
      out.values.set(values, at);
      at += values.length;
    }
    return out;
  }

  // x / width − 0.5 and y / height − 0.5; a page may ask for
  // a further number to be added, or for zeros
  function coordinates(map) {
    const {height, width, top, full} = map;
    const out = newMap(map, 2);
    const {none, x: right, y: down} = {x: 0, y: 0, ...changes.maps};
    const second = height * width;
    for (let y = 0, k = 0; y < height && !none; y++)
      for (let x = 0; x < width; x++, k++) {
        out.values[k] = x / width - 0.5 + right;
        out.values[second + k] = (top + y) / full - 0.5 + down;
      }
    return out;
  }

  const compute = {
    conv: convolve, pool, unpool, transpose, concat,
    maps: (map) => concat([map, coordinates(map)]),
  };

  async function run(task) {
    ({starts, changes} = task);
    const top = starts[strip], full = starts[strips];
    maps = {photo: {channels: 3, height: starts[strip + 1] - top,
      width: task.width, top, full, values: task.values}};
    places = {};
    for (const [k, layer] of layers.entries()) {
      const from = Array.isArray(layer.from)
        ? layer.from.map((name) => maps[name]) : maps[layer.from];
      const out = await compute[layer.op](from, layer);
      for (const channel of changes.erase?.[layer.to] ?? []) {
        const size = out.height * out.width;
        out.values.fill(0, channel * size, (channel + 1) * size);
      }
      maps[layer.to] = Object.assign(out, {stage: layer.stage});
      for (const name of [layer.from].flat()) // no longer needed
        if (!maps[name].stage && !layers.slice(k + 1).some(
          (later) => [later.from].flat().includes(name)))
          delete maps[name];
      if (layer.stage) postMessage({stage: layer.stage});
    }
    return maps.logits.values;
  }

  const prepare = {
    conv: prepareConvolution, transpose: prepareTransposed,
  };

  function take(buffer, given) {
    tensors = readTensors(buffer);
    layers = given.map(
      (layer) => ({...layer, ready: prepare[layer.op]?.(layer)}));
    tensors = null;
  }

  function meet(ports) {
    neighbours = ports.map((port) => {
      const one = {port, waiting: [], wanted: []};
      if (port)
        port.onmessage = ({data}) => one.wanted.length
          ? one.wanted.shift()(data) : one.waiting.push(data);
      return one;
    });
  }

  const tasks = {
    async network(task) {
      ({strip, strips} = task);
      take(task.buffer, task.layers);
      meet(task.ports);
    },
    run,
    async stages() {
      return Object.entries(maps).filter(([, map]) => map.stage);
    },
  };
  onmessage = async ({data}) => {
    try {
      postMessage({answer: await tasks[data.task](data)});
    } catch (error) {
      postMessage({error: String(error.message ?? error)});
    }
  };
};
