/* What every view has: a place to drop, paste, choose or take a photo,
   drawn cars to try, and a line that says what happens. */
"use strict";

(() => {
  const FORM = `
<div class="drop">
  <p>Drop a photo of a car here, paste one, or</p>
  <p>
    <label class="choice">choose a photo<input type="file"
      accept="image/*"></label>
    <label class="choice camera">take a photo<input type="file"
      accept="image/*" capture="environment"></label>
  </p>
  <p>Or try a drawn one:</p>
  <p class="samples"></p>
  <p class="quiet">The photo stays on this device: the network runs in
    this page, and nothing is sent.</p>
</div>
<p class="status" role="status"></p>
<div class="answer" hidden></div>`;

  const networks = {}; // by name, each once for all views of a page
  function loadNetwork(name) {
    networks[name] ??= carvana.load(name).catch((error) => {
      delete networks[name];
      throw error;
    });
    return networks[name];
  }

  /* `answer`: what the view shows below, as HTML. A view has
     show(photo), which is called for every photo, one after the
     other. */
  class PhotoView {
    constructor(place, answer) {
      this.place = place;
      place.innerHTML = FORM;
      this.find(".answer").innerHTML = answer;
      this.listen();
      for (const sample of carvana.samples)
        this.find(".samples").append(this.sample(sample));
    }

    find(selector) {
      return this.place.querySelector(selector);
    }

    all(selector) {
      return this.place.querySelectorAll(selector);
    }

    sample({name, text, picture}) {
      const image = Object.assign(new Image(),
        {src: picture, alt: text, width: 240, height: 160});
      const button = Object.assign(document.createElement("button"),
        {type: "button", onclick: () => this.look(name)});
      button.append(image);
      return button;
    }

    async openSample(name) {
      await carvana.loadScript(`${name}.js`);
      const image = new Image();
      image.src = carvana.pictures[name];
      await image.decode();
      return image;
    }

    listen() {
      const drop = this.find(".drop");
      for (const input of drop.querySelectorAll("input"))
        input.onchange = () => {
          this.take(input);
          input.value = ""; // the same file may be chosen again
        };
      // Also beside the box: else the browser would show the file.
      for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
        this.place.addEventListener(kind, (event) => {
          event.preventDefault();
          const over = kind === "dragenter" || kind === "dragover";
          drop.classList.toggle("over", over);
        });
      this.place.addEventListener("drop",
        (event) => this.take(event.dataTransfer));
      // Of several views the first one takes what is pasted.
      if (document.querySelector(".network-view") === this.place)
        document.addEventListener("paste", ({clipboardData}) => {
          if (clipboardData.files.length) this.take(clipboardData);
        });
    }

    take({files: [file]}) {
      if (file) this.look(file);
      else this.say("That was not a file. Drop or paste an image "
        + "file.");
    }

    say(text) {
      this.find(".status").textContent = text;
    }

    // What goes wrong is said, and the page goes on: whether all went
    // well.
    async tell(work) {
      try {
        await work();
        return true;
      } catch (error) {
        const memory = error instanceof RangeError
          || /allocat|memory/i.test(error.message);
        this.say(memory ? "There is not enough memory for this photo: "
          + "close other pages, or take a smaller photo."
          : error.message);
        return false;
      }
    }

    /* `source`: a file, a photo that is open, or a sample's name. A
       photo that comes while another is looked at follows it. */
    look(source) {
      this.looking = Promise.resolve(this.looking).then(() =>
        this.tell(async () => {
          this.place.setAttribute("aria-busy", "true");
          try {
            this.say("Opening the photo …");
            for (const name of ["engine.js", "network.js", "photo.js"])
              await carvana.loadScript(name); // in this order
            const found = typeof source === "string"
              ? await this.openSample(source) : source;
            await this.show(await carvana.openPhoto(found));
            this.find(".answer").hidden = false;
          } finally {
            this.place.removeAttribute("aria-busy");
          }
        }));
      return this.looking;
    }

    async predict(name, photo, options) {
      this.say("Loading the network …");
      const network = await loadNetwork(name);
      const onstage = (stage) => this.say(`Computed: ${stage} …`);
      const answer = await network.predict(
        photo, {...options, onstage});
      return {network, ...answer};
    }
  }

  Object.assign(carvana, {PhotoView});
})();
