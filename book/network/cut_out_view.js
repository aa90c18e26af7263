/* A photo becomes its car, on a background of the reader's choice.
   data-network: which one; data-edge: with sliders for the edge. */
"use strict";

(() => {
  const PREVIEW = 1200; // pixels of its longer side, on the page

  const FORM = `
<div class="pair">
  <canvas class="before" role="img" aria-label="Photo."></canvas>
  <canvas class="after" role="img" aria-label="Car alone."></canvas>
  <input class="split" type="range" min="0" max="100" value="0"
    aria-label="Share of the photo that is shown, in per cent">
</div>
<p class="quiet">Drag across the picture to see the photo.</p>
<fieldset>
  <legend>Background</legend>
  <label><input type="radio" value="none" checked> none</label>
  <label><input type="radio" value="white"> white</label>
  <label><input type="radio" value="colour"> colour</label>
  <input type="color" value="#7aa7d8" aria-label="Colour">
  <label><input type="radio" value="picture" disabled> picture</label>
  <label class="choice">choose a picture<input type="file"
    accept="image/*"></label>
</fieldset>
<fieldset class="edge">
  <legend>Edge</legend>
  <label>car above a probability of <b></b><input
    type="range" name="threshold" min="0.02" max="0.98" step="0.02"
    value="0.5"></label>
  <label>fades over <b></b> pixels on either side<input
    type="range" name="feather" min="0" max="8" step="0.5"
    value="2"></label>
  <label>remove regions, and fill holes, smaller than
    <b></b> % of the car<input
    type="range" name="tidy" min="0" max="20" step="0.5"
    value="1"></label>
</fieldset>
<p><button type="button" class="download">Download the cut-out
  (PNG)</button></p>`;

  let count = 0;

  class CutOutView extends carvana.PhotoView {
    constructor(place) {
      super(place, FORM);
      this.find(".edge").hidden = !("edge" in place.dataset);
      const group = `background-${count++}`;
      for (const radio of this.all("[type=radio]")) radio.name = group;
      const split = this.find(".split");
      split.oninput = () => place.style.setProperty(
        "--split", `${split.value}%`);
      // Some phones move a slider by its thumb alone, which is unseen.
      split.onpointerdown = split.onpointermove = (event) => {
        if (!event.buttons) return;
        const {left, width} = split.getBoundingClientRect();
        split.value = 100 * (event.clientX - left) / width;
        split.oninput();
      };
      for (const input of this.all(".answer fieldset input"))
        input.oninput = () => {
          if (input.type === "color") this.choose("colour");
          if (input.type !== "file") this.draw();
        };
      const picture = this.find("fieldset [type=file]");
      picture.onchange = () => this.takeBackground(picture.files[0]);
      const button = this.find(".download");
      button.onclick = async () => {
        button.disabled = true;
        await this.tell(() => this.download());
        button.disabled = false;
      };
    }

    choose(background) {
      this.find(`[value=${background}]`).checked = true;
    }

    takeBackground(file) {
      return this.tell(async () => {
        if (!file) return;
        this.picture = (await carvana.openPhoto(file)).canvas;
        this.find("[value=picture]").disabled = false;
        this.choose("picture");
        await this.draw();
      });
    }

    async show(photo) {
      const began = performance.now();
      this.answer = await this.predict(
        this.place.dataset.network, photo);
      await this.draw();
      if (!this.drawn) return;
      const seconds = (performance.now() - began) / 1000;
      const car = this.answer.mask.reduce((sum, is) => sum + is, 0);
      const share = Math.round((100 * car) / this.answer.mask.length);
      const found = car ? `${share} % of the photo is car.`
        : "No car was found in this photo.";
      this.say(`${photo.note} ${found} It took `.trimStart()
        + `${seconds.toFixed(1)} seconds.`);
    }

    options() {
      const value = (name) => Number(this.find(`[name=${name}]`).value);
      const background = {
        none: null, white: "white", picture: this.picture,
        colour: this.find("[type=color]").value,
      }[this.find("[type=radio]:checked").value];
      return {background, threshold: value("threshold"),
        feather: value("feather"), tidy: value("tidy") / 100};
    }

    // The last change counts; those in between are skipped.
    async draw() {
      for (const label of this.all(".edge label"))
        label.querySelector("b").textContent
          = label.querySelector("input").value;
      if (!this.answer) return;
      this.wanted = true;
      this.drawing ??= (async () => {
        while (this.wanted) {
          this.wanted = false;
          this.drawn = await this.tell(() => this.drawOnce());
        }
        this.drawing = null;
      })();
      await this.drawing;
    }

    async drawOnce() {
      const cut = await carvana.cutOut(
        this.answer, {...this.options(), longest: PREVIEW});
      const {width, height} = cut;
      const {canvas} = this.answer.photo;
      for (const [selector, picture] of [
        [".before", canvas], [".after", cut]]) {
        const shown = this.find(selector);
        Object.assign(shown, {width, height});
        shown.getContext("2d").drawImage(picture, 0, 0, width, height);
      }
    }

    async download() {
      const canvas = await carvana.cutOut(this.answer, this.options());
      const blob = await new Promise((done) => canvas.toBlob(done));
      if (!blob) throw new RangeError("The picture could not be made.");
      const link = Object.assign(document.createElement("a"),
        {href: URL.createObjectURL(blob), download: "cut-out.png"});
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
    }
  }

  carvana.views["cut-out"] = (place) => new CutOutView(place);
})();
