/* Loads the other scripts, each once. Scripts, and not files that are
   fetched: a page that was opened from disk may fetch nothing. */
"use strict";

const carvana = (() => {
  const folder = new URL(".", document.currentScript.src).href;
  const loading = {};

  /* A script of this folder by its name, "unet.js". */
  function loadScript(name) {
    loading[name] ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = folder + name;
      script.onload = done;
      script.onerror = () => {
        delete loading[name];
        script.remove();
        failed(new Error(`The file ${name} could not be loaded: is `
          + "there a connection? Then try again."));
      };
      document.head.append(script);
    });
    return loading[name];
  }

  return {folder, loadScript, views: {}, pictures: {}};
})();
