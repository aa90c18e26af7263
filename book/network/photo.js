/* From a picture to the numbers that a network takes, and from logits
   to a mask, an edge and a cut-out at the photo's own size.

   const {width, height, mask} = await network.predict(file);
   const canvas = await carvana.cutOut(answer, {background: "white"});

   `painter` runs in a worker, so that the page stays alive. */
"use strict";

(() => {
  const MOST = 50e6; // pixels of a photo
  const SAFE = 4096 ** 2, SAFE_SIDE = 8192; // what every browser holds

  // ---------------------------------------------------------------
  // In a worker: loops over all pixels of a photo
  // ---------------------------------------------------------------
  function painter() {
    // Each pixel of the small picture is a weighted mean of those it
    // covers: a triangle, as wide as the step on either side. So does
    // Pillow's BILINEAR, which prepared the photos of the training.
    function triangles(length, wanted) {
      const step = length / wanted, reach = Math.max(step, 1);
      return Array.from({length: wanted}, (_, k) => {
        const centre = (k + 0.5) * step;
        const first = Math.max(0, Math.trunc(centre - reach + 0.5));
        const end = Math.min(length, Math.trunc(centre + reach + 0.5));
        const weights = new Float64Array(end - first);
        for (let j = 0; j < weights.length; j++)
          weights[j] = Math.max(0,
            1 - Math.abs(first + j - centre + 0.5) / reach);
        const sum = weights.reduce((a, b) => a + b, 0);
        return {first, weights: weights.map((w) => w / sum)};
      });
    }

    // First the rows, then the columns, rounded to whole values after
    // each. The answer is (3, height, width), between 0 and 1.
    function shrink({pixels, size, wanted}) {
      const [height, width] = wanted;
      const rows = new Uint8Array(size[0] * width * 3);
      const columns = triangles(size[1], width);
      for (let y = 0, k = 0; y < size[0]; y++)
        for (let x = 0; x < width; x++, k += 3) {
          const {first, weights} = columns[x];
          let at = (y * size[1] + first) * 4;
          let red = 0.5, green = 0.5, blue = 0.5;
          for (let j = 0; j < weights.length; j++, at += 4) {
            red += weights[j] * pixels[at];
            green += weights[j] * pixels[at + 1];
            blue += weights[j] * pixels[at + 2];
          }
          rows[k] = red;
          rows[k + 1] = green;
          rows[k + 2] = blue;
        }
      const out = new Float32Array(3 * height * width);
      for (const [y, {first, weights}] of
        triangles(size[0], height).entries())
        for (let k = 0; k < 3 * width; k++) {
          let at = first * width * 3 + k, sum = 0.5;
          for (let j = 0; j < weights.length; j++, at += 3 * width)
            sum += weights[j] * rows[at];
          const x = Math.trunc(k / 3), c = k % 3;
          out[(c * height + y) * width + x] = Math.trunc(sum) / 255;
        }
      return out;
    }

    // Where each pixel of a larger picture lies between two of a
    // smaller one: bilinear, corners not aligned, as in `upsample`.
    function between(length, wanted) {
      const first = new Int32Array(wanted);
      const second = new Int32Array(wanted);
      const share = new Float64Array(wanted);
      for (let k = 0; k < wanted; k++) {
        const place = Math.max(0, ((k + 0.5) * length) / wanted - 0.5);
        first[k] = Math.min(Math.trunc(place), length - 1);
        second[k] = Math.min(first[k] + 1, length - 1);
        share[k] = place - first[k];
      }
      return {first, second, share};
    }

    function upsample(logits, [height, width], wanted) {
      const out = new Float32Array(wanted[0] * wanted[1]);
      const rows = between(height, wanted[0]);
      const {first, second, share} = between(width, wanted[1]);
      const line = new Float32Array(width);
      for (let y = 0, k = 0; y < wanted[0]; y++) {
        for (let x = 0; x < width; x++) {
          const a = logits[rows.first[y] * width + x];
          const b = logits[rows.second[y] * width + x];
          line[x] = a + (b - a) * rows.share[y];
        }
        for (let x = 0; x < wanted[1]; x++, k++) {
          const a = line[first[x]];
          out[k] = a + (line[second[x]] - a) * share[x];
        }
      }
      return out;
    }

    // Pieces of equal sign, joined at their sides: numbers of the
    // pixels, and for each piece its size and whether it is at the rim.
    function label(z, [height, width]) {
      const numbers = new Int32Array(z.length).fill(-1);
      const pieces = [], stack = new Int32Array(z.length);
      for (let start = 0; start < z.length; start++) {
        if (numbers[start] >= 0) continue;
        const piece = {car: z[start] > 0, size: 0, rim: false};
        let depth = 0;
        const visit = (k) => {
          if (numbers[k] < 0 && z[k] > 0 === piece.car) {
            numbers[k] = pieces.length;
            stack[depth++] = k;
          }
        };
        visit(start);
        while (depth) {
          const k = stack[--depth], x = k % width;
          const y = (k - x) / width;
          piece.size++;
          if (x > 0) visit(k - 1);
          if (x < width - 1) visit(k + 1);
          if (y > 0) visit(k - width);
          if (y < height - 1) visit(k + width);
          if (!x || !y || x === width - 1 || y === height - 1)
            piece.rim = true;
        }
        pieces.push(piece);
      }
      return {numbers, pieces};
    }

    // Small pieces beside the car go, small holes in it are filled.
    function removeSmallRegions(z, size, share) {
      const {numbers, pieces} = label(z, size);
      const sizes = pieces.map(({car, size}) => (car ? size : 0));
      const least = share * sizes.reduce((a, b) => Math.max(a, b), 0);
      const wrong = pieces.map(({car, size, rim}) =>
        size < least && (car || !rim));
      for (let k = 0; k < z.length; k++)
        if (wrong[numbers[k]])
          z[k] = z[k] > 0 ? -z[k] : Math.max(-z[k], 1e-6);
    }

    // Squared distance to where the boundary crosses a column of
    // pixels (`stride` = width) or a row (1); none beyond `reach`.
    function toBoundary(z, stride, count, across, lines, reach) {
      const squared = new Float32Array(z.length).fill(Infinity);
      for (let line = 0; line < lines; line++)
        for (let k = 0; k < count - 1; k++) {
          const at = line * across + k * stride, next = at + stride;
          if (z[at] > 0 === z[next] > 0) continue;
          const share = z[at] / (z[at] - z[next]);
          for (let s = -reach; s <= reach + 1; s++) {
            if (k + s < 0 || k + s >= count) continue;
            const along = (s - share) ** 2;
            for (let t = -reach; t <= reach; t++) {
              if (line + t < 0 || line + t >= lines) continue;
              const to = at + s * stride + t * across;
              squared[to] = Math.min(squared[to], along + t * t);
            }
          }
        }
      return squared;
    }

    // 0 outside, 1 inside, rising over `radius` pixels on either side
    function feather(z, [height, width], radius) {
      const alpha = new Uint8ClampedArray(z.length);
      const reach = Math.ceil(radius);
      const down = radius
        && toBoundary(z, width, height, 1, width, reach);
      const right = radius
        && toBoundary(z, 1, width, width, height, reach);
      for (let k = 0; k < z.length; k++) {
        const away = radius ? Math.max(1e-3,
          Math.sqrt(Math.min(down[k], right[k]))) / (2 * radius) : 1;
        alpha[k] = 255 * (0.5 + (z[k] > 0 ? away : -away));
      }
      return alpha;
    }

    // In pixels that are partly car, the mean of the car beside them:
    // else the old background shows as a rim.
    function cleanColours(pixels, alpha, [height, width], reach) {
      const old = pixels.slice();
      for (let k = 0; k < alpha.length; k++) {
        if (!alpha[k] || alpha[k] === 255) continue;
        const x = k % width, y = (k - x) / width;
        let red = 0, green = 0, blue = 0, count = 0;
        for (let far = 1; far <= reach && !count; far++)
          for (let dy = -far; dy <= far; dy++)
            for (let dx = -far; dx <= far; dx++) {
              const [i, j] = [x + dx, y + dy];
              if (i < 0 || j < 0 || i >= width || j >= height) continue;
              const at = j * width + i;
              if (alpha[at] !== 255) continue;
              red += old[4 * at];
              green += old[4 * at + 1];
              blue += old[4 * at + 2];
              count++;
            }
        if (count)
          pixels.set([red / count, green / count, blue / count], 4 * k);
      }
    }

    const tasks = {
      shrink,
      mask({logits, from, size}) {
        const z = upsample(logits, from, size);
        const car = new Uint8Array(z.length);
        for (let k = 0; k < z.length; k++) car[k] = z[k] > 0 ? 1 : 0;
        return car;
      },
      // The photo's pixels with the edge as their fourth channel; what
      // is invisible is black, so that no editor brings it back.
      cutOut({logits, from, size, pixels, threshold, feather: radius,
        tidy}) {
        const z = upsample(logits, from, size);
        const least = Math.log(threshold / (1 - threshold));
        if (least) for (let k = 0; k < z.length; k++) z[k] -= least;
        if (tidy) removeSmallRegions(z, size, tidy);
        const alpha = feather(z, size, radius);
        cleanColours(pixels, alpha, size, 2 * Math.ceil(radius) + 1);
        for (let k = 0; k < alpha.length; k++)
          if (alpha[k]) pixels[4 * k + 3] = alpha[k];
          else pixels.fill(0, 4 * k, 4 * k + 4);
        return pixels;
      },
    };
    onmessage = ({data}) => {
      try {
        postMessage({answer: tasks[data.task](data)});
      } catch (error) {
        postMessage({error: String(error.message ?? error)});
      }
    };
  }

  let worker;
  function paint(task, transfer) {
    if (!worker || worker.ended) worker = carvana.startWorker(painter);
    return worker.ask(task, transfer);
  }

  // ---------------------------------------------------------------
  // In the page
  // ---------------------------------------------------------------
  const named = (file) => (file.name ? `“${file.name}”` : "This");

  // Why a file is no picture; the first bytes of HEIC name its kind.
  async function fault(file) {
    if (!file.size) return "is empty: take another file.";
    let start;
    try {
      start = new Uint8Array(await file.slice(4, 12).arrayBuffer());
    } catch {
      return "cannot be read: it is a folder, or was moved. Take "
        + "another file.";
    }
    if (/^ftyp(hei|hev|mif|msf)/.test(String.fromCharCode(...start)))
      return "is a HEIC photo, which this browser cannot open: save "
        + "or share it as JPEG first.";
    return "is no picture that this browser can open: take a JPEG, "
      + "PNG, WebP or AVIF file.";
  }

  async function isAnimation(file) {
    if (!globalThis.ImageDecoder || file.type === "image/jpeg")
      return false;
    let decoder;
    try {
      const data = await file.arrayBuffer();
      decoder = new ImageDecoder({data, type: file.type});
      await decoder.tracks.ready;
      return decoder.tracks.selectedTrack?.animated ?? false;
    } catch {
      return false;
    } finally {
      decoder?.close();
    }
  }

  // An <img> knows the size of a picture before it is decoded, and
  // turns a photo as its EXIF says.
  function openImage(file) {
    const image = new Image();
    return new Promise((done, failed) => {
      image.onload = () => done(image);
      image.onerror = async () => {
        URL.revokeObjectURL(image.src);
        failed(new Error(`${named(file)} ${await fault(file)}`));
      };
      image.src = URL.createObjectURL(file);
    });
  }

  // A white canvas, or null where the browser keeps none of that size:
  // phones have a limit, and some readers forbid to read pixels.
  function whiteCanvas(width, height) {
    const canvas = newCanvas(width, height);
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    if (!pen) return null;
    pen.fillStyle = "white";
    pen.fillRect(0, 0, width, height);
    const [red, , , opaque] = pen.getImageData(0, 0, 1, 1).data;
    return red > 250 && opaque === 255 ? canvas : null;
  }

  /* A photo of a File, Blob, <img>, <canvas> or ImageBitmap, what is
     transparent laid on white: {width, height, canvas, note}. */
  async function openPhoto(source) {
    if (source.canvas) return source; // it is open
    const isFile = source instanceof Blob;
    const image = isFile ? await openImage(source) : source;
    let width = image.naturalWidth || image.width;
    let height = image.naturalHeight || image.height;
    let note = "";
    try {
      if (!(width && height))
        throw new Error("This picture has no size of its own: take a "
          + "JPEG, PNG, WebP or AVIF file.");
      if (width * height > MOST)
        throw new Error(`This photo has ${width} × ${height} pixels, `
          + `more than the limit of this page, ${MOST / 1e6} million: `
          + "make it smaller first.");
      let canvas = whiteCanvas(width, height);
      if (!canvas) {
        const scale = Math.min(1, Math.sqrt(SAFE / (width * height)),
          SAFE_SIDE / Math.max(width, height));
        width = Math.max(1, Math.floor(scale * width));
        height = Math.max(1, Math.floor(scale * height));
        note = "The photo was made smaller: this browser holds no "
          + "picture of its size.";
        canvas = whiteCanvas(width, height);
      }
      if (!canvas)
        throw new Error("This browser lets the page read no pixels: "
          + "allow it, or take another browser.");
      canvas.getContext("2d").drawImage(image, 0, 0, width, height);
      if (isFile && await isAnimation(source))
        note = "This is an animation: its first frame is used.";
      return {width, height, canvas, note};
    } finally {
      if (isFile) URL.revokeObjectURL(image.src);
    }
  }

  function newCanvas(width, height) {
    const canvas = document.createElement("canvas");
    return Object.assign(canvas, {width, height});
  }

  function pixelsOf({canvas, width, height}) {
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    return pen.getImageData(0, 0, width, height).data;
  }

  // Two classes: car minus background
  function carLogits(logits, classes) {
    if (classes === 1) return logits;
    const count = logits.length / 2;
    return logits.subarray(count).map((car, k) => car - logits[k]);
  }

  /* The mask of a photo at its own size: {width, height, mask}, with a
     1 for each pixel of car. Further: `photo`, as `openPhoto` gives it,
     `logits` at the size of the network's input, `from`, and the maps
     of all `stages` where they are asked for. */
  carvana.Network.prototype.predict = async function (
    source, {changes, onstage, size = this.size, stages} = {}) {
    if (!size)
      throw new Error("This network does not say for which size it was "
        + "trained: call predict(photo, {size: [height, width]}).");
    const photo = await openPhoto(source);
    const {width, height} = photo, pixels = pixelsOf(photo);
    const x = await paint({task: "shrink", pixels, wanted: size,
      size: [height, width]}, [pixels.buffer]);
    const raw = await this.logits(
      x, ...size, {changes, onstage, stages});
    const logits = carLogits(raw.logits, this.classes);
    const mask = await paint(
      {task: "mask", logits, from: size, size: [height, width]});
    return {width, height, mask, photo, logits, from: size,
      stages: raw.stages};
  };

  /* A canvas with the car alone, from an answer of `predict`.
     background: a colour, a picture, or null for transparent.
     threshold: from which probability a pixel is car.
     feather: pixels on either side over which the edge fades.
     tidy: pieces smaller than this share of the largest one go.
     longest: of the sides of the canvas; unset, the photo's own. */
  async function cutOut(answer, {background = null, threshold = 0.5,
    feather = 2, tidy = 0.01, longest = Infinity} = {}) {
    const {photo, logits, from} = answer;
    const scale = Math.min(1,
      longest / Math.max(photo.width, photo.height));
    const width = Math.max(1, Math.round(scale * photo.width));
    const height = Math.max(1, Math.round(scale * photo.height));
    const canvas = newCanvas(width, height);
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    pen.drawImage(photo.canvas, 0, 0, width, height);
    const pixels = pixelsOf({canvas, width, height});
    const found = await paint({task: "cutOut", logits, from, pixels,
      size: [height, width], threshold, feather: scale * feather, tidy},
    [pixels.buffer]);
    pen.putImageData(new ImageData(found, width), 0, 0);
    if (background === null) return canvas;
    pen.globalCompositeOperation = "destination-over";
    if (typeof background === "string") {
      pen.fillStyle = background;
      pen.fillRect(0, 0, width, height);
    } else drawCovering(pen, background, width, height);
    pen.globalCompositeOperation = "source-over";
    return canvas;
  }

  // A picture that fills the canvas, its middle in the middle
  function drawCovering(pen, picture, width, height) {
    const wide = picture.naturalWidth || picture.width;
    const tall = picture.naturalHeight || picture.height;
    const scale = Math.max(width / wide, height / tall);
    pen.drawImage(picture, (width - scale * wide) / 2,
      (height - scale * tall) / 2, scale * wide, scale * tall);
  }

  Object.assign(carvana, {openPhoto, cutOut});
})();
