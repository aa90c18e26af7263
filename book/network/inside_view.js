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
  <label><input type="radio" value="neighbour"> where the maximum of
    the window to the left was</label>
  <label><input type="radio" value="first"> always top left</label>
  <label><input type="radio" value="all"> on all four pixels</label>
</fieldset>
<fieldset class="maps"><legend>Coordinate maps</legend>
  <label><input type="radio" value="" checked> as they are</label>
  <label><input type="radio" value="none"> all zero</label>
  <label><input type="radio" value="moved"> with a number added</label>
  <label>to X: <b></b><input type="range" name="x"
    min="-0.5" max="0.5" step="0.05" value="0"></label>
  <label>to Y: <b></b><input type="range" name="y"
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

  /* First and last pixel of the input, in one direction, on which the
     pixels from `low` to `high` of a layer depend: back through the
     layers. Beyond the input there are zeros. */
  function receptiveField(layers, name, low, high = low) {
    const layer = layers.find(({to}) => to === name);
    if (!layer) return [low, high];
    const {op, from, kernel, dilation} = layer;
    if (op === "pool") [low, high] = [2 * low, 2 * high + 1];
    if (op === "unpool" || op === "transpose")
      [low, high] = [low >> 1, high >> 1];
    if (op === "conv") {
      const reach = dilation * (kernel - 1) / 2;
      [low, high] = [low - reach, high + reach];
    }
    const parts = [from].flat().map(
      (one) => receptiveField(layers, one, low, high));
    return [Math.min(...parts.map(([first]) => first)),
      Math.max(...parts.map(([, last]) => last))];
  }

  class InsideView extends carvana.PhotoView {
    constructor(place) {
      super(place, FORM);
      this.erased = {}; // channels by the name of their stage
      this.unfolded = new Set(); // stages of which all maps are shown
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
      dialog.onclose = () => this.focusMap();
      if (!("link" in place.dataset)) return;
      this.readLink();
      addEventListener("hashchange", () => { // pasted into the address
        if (location.hash.startsWith("#%7B")) location.reload();
      });
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
      for (const {name, value} of this.all(".rates input"))
        changes.rates[name] = Math.min(16,
          Math.max(1, Math.round(Number(value)) || 1));
      return changes;
    }

    changed(input) {
      if (input.name === "network") {
        this.erased = {};
        if (this.photo) this.look(this.photo);
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
      const name = this.network; // it may be chosen anew meanwhile
      const before = await this.predict(name, photo);
      Object.assign(this, {photo, before, name});
      this.place.style.setProperty(
        "--aspect", photo.width / photo.height);
      this.offer(before.network);
      await this.compute();
    }

    // The switches that this network has
    offer({layers}) {
      if (this.offered === this.name) return;
      this.offered = this.name;
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
          defaultValue: dilation});
        input.value = this.linked?.rates?.[stage] ?? dilation;
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
      for (const shown of this.all(".maps b"))
        shown.textContent = shown.nextElementSibling.value;
      const changes = this.changes();
      const answer = await this.predict(
        this.name, this.photo, {changes, stages: true});
      this.stages = answer.stages;
      this.layers = answer.network.layers.map((layer) => ({...layer,
        dilation: changes.rates[layer.to] ?? layer.dilation}));
      this.input = answer.from;
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
          const at = Math.floor((y + 0.5) * height / tall) * width
            + Math.floor((x + 0.5) * width / wide);
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
        + "pixels." : "The mask is that of the trained network.");
    }

    // What was open stays open, and the focus stays where it was.
    drawStages() {
      const box = this.find(".stages");
      const open = new Set(Array.from(box.querySelectorAll(
        "details[open]"), (details) => details.dataset.stage));
      if (!box.childElementCount) open.add(this.stages[0].name);
      const focused = box.contains(document.activeElement);
      box.replaceChildren(...this.stages.map((stage) => {
        const details = document.createElement("details");
        const summary = document.createElement("summary");
        summary.textContent = `${stage.name}: ${stage.channels} maps `
          + `of ${stage.height} × ${stage.width}`;
        details.dataset.stage = stage.name;
        details.append(summary);
        const fill = () => {
          if (details.childElementCount === 1)
            details.append(this.tiles(stage));
        };
        details.open = open.has(stage.name);
        if (details.open) fill();
        details.ontoggle = () => details.open && fill();
        return details;
      }));
      if (focused) this.focusMap();
    }

    focusMap() {
      for (const tile of this.all(".tiles button"))
        if (tile.dataset.map === this.last) tile.focus();
    }

    tiles(stage) {
      const {name, channels} = stage;
      const box = document.createElement("div");
      box.className = "tiles";
      const all = this.unfolded.has(name) || channels <= TILES;
      const count = all ? channels : TILES;
      for (let channel = 0; channel < count; channel++)
        box.append(this.tile(stage, channel));
      if (!all)
        box.append(Object.assign(document.createElement("button"), {
          type: "button", textContent: `show all ${channels}`,
          onclick: () => {
            this.unfolded.add(name);
            box.replaceWith(this.tiles(stage));
          }}));
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
      button.dataset.map = `${stage.name} ${channel}`;
      button.onclick = () => this.enlarge(stage, channel);
      button.onfocus = () => {
        this.last = button.dataset.map;
        this.drawField(stage, 0.5, 0.5);
      };
      button.onpointermove = ({offsetX, offsetY}) => this.drawField(
        stage, offsetX / button.clientWidth,
        offsetY / button.clientHeight);
      button.onblur = button.onpointerleave = () => this.drawField();
      return button;
    }

    enlarge(stage, channel) {
      this.last = `${stage.name} ${channel}`;
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
      const side = (share, pixels, input, long) => {
        const pixel = Math.min(pixels - 1,
          Math.max(0, Math.floor(share * pixels)));
        const [low, high] = receptiveField(
          this.layers, stage.name, pixel);
        const first = Math.max(0, low), end = Math.min(input, high + 1);
        return [first / input * long, (end - first) / input * long];
      };
      const [x, wide] = side(right, stage.width, this.input[1], width);
      const [y, tall] = side(down, stage.height, this.input[0], height);
      pen.strokeStyle = "#ff8c00";
      pen.lineWidth = 2;
      pen.strokeRect(x, y, wide, tall);
    }

    // The address of the page says what is set: it can be passed on.
    writeLink({places, maps, rates, erase}) {
      if (!("link" in this.place.dataset)) return;
      const set = {network: this.name, places, maps, rates, erase};
      history.replaceState(
        null, "", `#${encodeURIComponent(JSON.stringify(set))}`);
    }

    // Anybody may have written it: what is no setting is left out.
    readLink() {
      let set;
      try {
        set = JSON.parse(decodeURIComponent(location.hash.slice(1)));
      } catch {
        return; // the address of a heading, or none
      }
      if (typeof set !== "object" || !set) return;
      const {network, places, maps, rates, erase} = set;
      for (const option of this.find("[name=network]").options)
        if (option.value === network) option.selected = true;
      const check = (kind, value) => {
        for (const radio of this.all(`.${kind} [type=radio]`))
          if (radio.value === value) radio.checked = true;
      };
      check("places", places ?? "");
      check("maps", !maps ? "" : maps.none ? "none" : "moved");
      for (const name of ["x", "y"])
        this.find(`[name=${name}]`).value = maps?.[name] ?? 0;
      this.erased = Object.fromEntries(Object.entries(Object(erase))
        .filter(([, channels]) => Array.isArray(channels)
          && channels.length && channels.every(
            (one) => Number.isInteger(one) && one >= 0)));
      this.linked = {rates: Object(rates)};
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

  Object.assign(carvana, {receptiveField});
  carvana.views.inside = (place) => new InsideView(place);
})();
