/* Inside a network: the maps of every stage for the reader's photo, and
   switches that change the network, with the mask that follows.
   data-networks: which ones, by their names, with spaces between;
   data-link: the address of the page keeps what is set. */
"use strict";

(() => {
  const TILES = 16; // maps of a stage that are shown at first
  const FORM = `
<p class="chosen"><label>network
  <select name="network"></select></label></p>
<div class="three">
  <figure><canvas class="photo" role="img"
    aria-label="The photo."></canvas>
    <figcaption>Photo. A box shows what a pixel of a map depends on:
      point at a map below.</figcaption></figure>
  <figure><canvas class="mask" role="img"
    aria-label="The mask."></canvas>
    <figcaption class="told"></figcaption></figure>
  <figure><canvas class="difference" role="img"
    aria-label="Pixels that the change turns."></canvas>
    <figcaption>What the change does: orange was car before, blue is
      car now.</figcaption></figure>
</div>
<fieldset class="places"><legend>Unpooling puts a value back</legend>
  <label><input type="radio" value="" checked> where it was</label>
  <label><input type="radio" value="neighbour"> where that of the left
    neighbour was</label>
  <label><input type="radio" value="first"> always top left</label>
  <label><input type="radio" value="all"> on all four pixels</label>
</fieldset>
<fieldset class="maps"><legend>Coordinate maps</legend>
  <label><input type="radio" value="" checked> as they are</label>
  <label><input type="radio" value="none"> all zero</label>
  <label><input type="radio" value="moved"> moved</label>
  <label>to the right by <output></output><input type="range" name="x"
    min="-0.5" max="0.5" step="0.05" value="0"></label>
  <label>down by <output></output><input type="range" name="y"
    min="-0.5" max="0.5" step="0.05" value="0"></label>
</fieldset>
<fieldset class="rates"><legend>Dilation rates of the middle</legend>
</fieldset>
<p class="without"></p>
<p><button type="button" class="undo">As it was trained</button></p>
<div class="stages"></div>
<dialog><canvas role="img"></canvas><p class="quiet"></p>
  <p><label><input type="checkbox"> erase this map</label>
  <button type="button">Close</button></p></dialog>`;

  let count = 0;

  /* For every layer, what one of its pixels depends on: a square of
     `side` pixels of the input, and pixels that lie `step` apart. */
  function receptiveFields(layers) {
    const found = {photo: {side: 1, step: 1}};
    for (const {op, from, to, kernel, dilation} of layers) {
      const taken = [from].flat().map((name) => found[name]);
      const {step} = taken[0];
      const side = Math.max(...taken.map((field) => field.side));
      found[to] = {
        conv: () => ({step,
          side: side + (kernel - 1) * dilation * step}),
        pool: () => ({step: 2 * step, side: side + step}),
        unpool: () => ({step: step / 2, side}),
        transpose: () => ({step: step / 2, side}),
        concat: () => ({step, side}),
        maps: () => ({step, side}),
      }[op]();
    }
    return found;
  }

  class InsideView extends carvana.PhotoView {
    constructor(place) {
      super(place, FORM);
      this.erased = {}; // channels by the name of their stage
      const names = place.dataset.networks.split(" ");
      for (const name of names)
        this.find("[name=network]").append(new Option(name, name));
      this.find(".chosen").hidden
        = names.length === 1 && !("link" in place.dataset);
      for (const kind of ["places", "maps"])
        for (const radio of this.all(`.${kind} [type=radio]`))
          radio.name = `${kind}-${count}`;
      count++;
      this.find(".answer").addEventListener("input",
        (event) => this.changed(event.target));
      this.find(".undo").onclick = () => this.undo();
      const dialog = this.find("dialog");
      dialog.querySelector("button").onclick = () => dialog.close();
      if ("link" in place.dataset) this.readLink();
    }

    get network() {
      return this.find("[name=network]").value;
    }

    radio(kind) {
      return this.find(`.${kind} :checked`).value;
    }

    /* What the page does to the network, as the engine takes it */
    changes() {
      const changes = {erase: this.erased, rates: {}};
      const places = this.radio("places"), maps = this.radio("maps");
      if (places) changes.places = places;
      const move = (name) => Number(this.find(`[name=${name}]`).value);
      if (maps)
        changes.maps = maps === "none" ? {none: true}
          : {x: move("x"), y: move("y")};
      for (const input of this.all(".rates input"))
        changes.rates[input.name] = Number(input.value);
      return changes;
    }

    changed(input) {
      if (input.name === "network") {
        this.erased = {};
        this.look(this.photo);
      } else if (input.name === "x" || input.name === "y") {
        this.find(".maps [value=moved]").checked = true;
        this.update();
      } else if (input.type !== "checkbox") this.update();
    }

    undo() {
      this.erased = {};
      for (const kind of ["places", "maps"])
        this.find(`.${kind} [value=""]`).checked = true;
      for (const input of this.all("[type=range], .rates input"))
        input.value = input.defaultValue;
      this.update();
    }

    async show(photo) {
      this.photo = photo;
      this.place.style.setProperty(
        "--aspect", photo.width / photo.height);
      const before = await this.predict(this.network, photo);
      this.before = before;
      this.offer(before.network);
      await this.compute();
    }

    // The switches that this network has
    offer({layers}) {
      if (this.offered === this.network) return;
      this.offered = this.network;
      const has = (op) => layers.some((layer) => layer.op === op);
      const middle = layers.filter(
        ({stage}) => stage?.startsWith("middle"));
      this.find(".places").hidden = !has("unpool");
      this.find(".maps").hidden = !has("maps");
      const rates = this.find(".rates");
      rates.hidden = !middle.length;
      for (const old of rates.querySelectorAll("label")) old.remove();
      for (const {stage, dilation} of middle) {
        const label = document.createElement("label");
        const input = Object.assign(document.createElement("input"), {
          type: "number", min: 1, max: 16, name: stage,
          defaultValue: this.linked?.rates?.[stage] ?? dilation});
        label.append(`${stage} `, input);
        rates.append(label);
      }
      this.linked = null;
    }

    // The last change counts; those in between are skipped.
    update() {
      if (!this.photo) return;
      this.wanted = true;
      this.looking = Promise.resolve(this.looking).then(async () => {
        if (!this.wanted) return;
        this.wanted = false;
        await this.tell(() => this.compute());
      });
    }

    async compute() {
      for (const label of this.all(".maps label:has(output)"))
        label.querySelector("output").value
          = label.querySelector("input").value;
      const changes = this.changes();
      const answer = await this.predict(
        this.network, this.photo, changes);
      this.stages = await answer.network.stages();
      this.fields = receptiveFields(answer.network.layers.map(
        (layer) => ({...layer,
          dilation: changes.rates[layer.to] ?? layer.dilation})));
      this.drawThree(answer);
      this.drawStages();
      this.tellErased();
      this.writeLink(changes);
    }

    drawThree({mask, width, height}) {
      const scale = Math.min(1, 480 / Math.max(width, height));
      const wide = Math.max(1, Math.round(scale * width));
      const tall = Math.max(1, Math.round(scale * height));
      const pens = {};
      for (const name of ["photo", "mask", "difference"]) {
        const canvas = this.find(`canvas.${name}`);
        Object.assign(canvas, {width: wide, height: tall});
        pens[name] = canvas.getContext(
          "2d", {willReadFrequently: true});
      }
      const {photo, mask: ofMask, difference} = pens;
      photo.drawImage(this.photo.canvas, 0, 0, wide, tall);
      this.plain = photo.getImageData(0, 0, wide, tall);
      const [white, changed] = [ofMask, difference].map(
        (pen) => pen.createImageData(wide, tall));
      let turned = 0, car = 0;
      for (let k = 0; k < mask.length; k++) {
        turned += mask[k] !== this.before.mask[k];
        car += mask[k];
      }
      for (let y = 0, k = 0; y < tall; y++)
        for (let x = 0; x < wide; x++, k++) {
          const at = Math.floor((y + 0.5) / scale) * width
            + Math.floor((x + 0.5) / scale);
          const now = mask[at], was = this.before.mask[at];
          white.data.set(now ? [255, 255, 255, 255] : [0, 0, 0, 255],
            4 * k);
          changed.data.set(now === was ? (now ? [90, 90, 90, 255]
            : [30, 30, 30, 255]) : now ? [80, 170, 255, 255]
            : [255, 150, 30, 255], 4 * k);
        }
      ofMask.putImageData(white, 0, 0);
      difference.putImageData(changed, 0, 0);
      const share = (part) => (100 * part / mask.length).toFixed(1);
      this.find(".told").textContent
        = `Mask: ${share(car)} % of the photo is car.`;
      this.say(turned ? `The change turns ${share(turned)} % of the `
        + "pixels." : "This is the network as it was trained.");
    }

    drawStages() {
      const box = this.find(".stages");
      const open = new Set(Array.from(
        box.querySelectorAll("details[open]"), ({id}) => id));
      box.replaceChildren(...this.stages.map((stage, k) => {
        const {name, channels, height, width} = stage;
        const details = document.createElement("details");
        const summary = document.createElement("summary");
        summary.textContent = `${name}: ${channels} maps of `
          + `${height} × ${width}`;
        details.id = `stage-${count}-${name.replaceAll(" ", "-")}`;
        details.append(summary);
        details.ontoggle = () => {
          if (details.open && details.childElementCount === 1)
            details.append(this.tiles(stage, TILES));
        };
        details.open = open.has(details.id) || (!open.size && k === 0);
        return details;
      }));
    }

    tiles(stage, most) {
      const box = document.createElement("div");
      box.className = "tiles";
      const shown = Math.min(most, stage.channels);
      for (let channel = 0; channel < shown; channel++)
        box.append(this.tile(stage, channel));
      if (shown < stage.channels) {
        const more = Object.assign(document.createElement("button"), {
          type: "button", textContent: `all ${stage.channels}`,
          onclick: () => box.replaceWith(
            this.tiles(stage, stage.channels))});
        box.append(more);
      }
      return box;
    }

    tile(stage, channel) {
      const button = document.createElement("button");
      const canvas = drawMap(
        document.createElement("canvas"), stage, channel);
      button.type = "button";
      const erased = this.erased[stage.name]?.includes(channel);
      button.className = erased ? "erased" : "";
      button.setAttribute("aria-label", `Map ${channel} of `
        + `${stage.name}${erased ? ", erased" : ""}`);
      button.append(canvas);
      button.onclick = () => this.enlarge(stage, channel);
      button.onfocus = () => this.drawField(stage, 0.5, 0.5);
      button.onpointermove = ({offsetX, offsetY}) => this.drawField(
        stage, offsetX / button.clientWidth,
        offsetY / button.clientHeight);
      button.onblur = button.onpointerleave = () => this.drawField();
      return button;
    }

    enlarge(stage, channel) {
      const dialog = this.find("dialog");
      const box = dialog.querySelector("input");
      const canvas = drawMap(
        dialog.querySelector("canvas"), stage, channel);
      const {low, high} = range(stage, channel);
      const words = `Map ${channel} of ${stage.name}, black is `
        + `${low.toFixed(2)} and white ${high.toFixed(2)}.`;
      canvas.setAttribute("aria-label", words);
      dialog.querySelector(".quiet").textContent = words;
      box.parentElement.hidden = stage.name === "logits";
      box.checked = this.erased[stage.name]?.includes(channel) ?? false;
      box.onchange = () => this.erase(stage.name, channel, box.checked);
      dialog.showModal();
    }

    erase(stage, channel, is) {
      const others = (this.erased[stage] ?? []).filter(
        (one) => one !== channel);
      this.erased = {...this.erased,
        [stage]: is ? [...others, channel] : others};
      if (!this.erased[stage].length) delete this.erased[stage];
      this.update();
    }

    tellErased() {
      const all = Object.entries(this.erased).map(([stage, channels]) =>
        `${stage}: ${channels.join(", ")}`);
      this.find(".without").textContent
        = all.length ? `Erased maps: ${all.join("; ")}.` : "";
    }

    // On the photo, what a pixel of a map depends on
    drawField(stage, right, down) {
      const {width, height} = this.find("canvas.photo");
      const pen = this.find("canvas.photo").getContext("2d");
      pen.putImageData(this.plain, 0, 0);
      if (!stage) return;
      const {side, step} = this.fields[stage.name];
      const centre = (share, pixels) =>
        (Math.floor(share * pixels) + 0.5) / pixels;
      const wide = side / (stage.width * step) * width;
      const tall = side / (stage.height * step) * height;
      pen.strokeStyle = "#ff8c00";
      pen.lineWidth = 2;
      pen.strokeRect(centre(right, stage.width) * width - wide / 2,
        centre(down, stage.height) * height - tall / 2, wide, tall);
    }

    // The address of the page says what is set: it can be passed on.
    writeLink({places, maps, rates, erase}) {
      if (!("link" in this.place.dataset)) return;
      const set = {network: this.network, places, maps, rates, erase};
      history.replaceState(
        null, "", `#${encodeURIComponent(JSON.stringify(set))}`);
    }

    readLink() {
      let set;
      try {
        set = JSON.parse(decodeURIComponent(location.hash.slice(1)));
      } catch {
        return; // the address of a heading, or none
      }
      const check = (kind, value) => {
        const input = this.find(`.${kind} [value="${value}"]`);
        if (input) input.checked = true;
      };
      this.find("[name=network]").value = set.network;
      if (!this.network) this.find("[name=network]").selectedIndex = 0;
      check("places", set.places ?? "");
      check("maps", set.maps ? (set.maps.none ? "none" : "moved") : "");
      for (const name of ["x", "y"])
        this.find(`[name=${name}]`).value = set.maps?.[name] ?? 0;
      this.erased = set.erase ?? {};
      this.linked = set;
    }
  }

  function range({height, width, values}, channel) {
    let low = Infinity, high = -Infinity;
    const size = height * width;
    for (let k = channel * size; k < (channel + 1) * size; k++) {
      low = Math.min(low, values[k]);
      high = Math.max(high, values[k]);
    }
    return {low: Math.min(low, 0), high};
  }

  // Grey: black is 0, or the lowest value below it; white the highest
  function drawMap(canvas, stage, channel) {
    const {height, width, values} = stage;
    const {low, high} = range(stage, channel);
    Object.assign(canvas, {width, height});
    const pen = canvas.getContext("2d");
    const picture = pen.createImageData(width, height);
    for (let k = 0; k < height * width; k++) {
      const value = values[channel * height * width + k];
      const grey = high > low ? 255 * (value - low) / (high - low) : 0;
      picture.data.set([grey, grey, grey, 255], 4 * k);
    }
    pen.putImageData(picture, 0, 0);
    return canvas;
  }

  carvana.views.inside = (place) => new InsideView(place);
})();
