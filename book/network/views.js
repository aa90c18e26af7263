/* On pages with <div class="network-view" data-view="cut-out">: loads
   what a view needs when it comes near the window, and nothing before.
   Afterwards the page works without a connection too. */
"use strict";

(() => {
  // An order in which each may use those before it
  const SHARED = ["samples.js", "photo_view.js"];
  const VIEWS = {
    "cut-out": "cut_out_view.js", "inside": "inside_view.js",
  };

  async function begin(place) {
    try {
      const own = VIEWS[place.dataset.view];
      for (const name of [...SHARED, own])
        await carvana.loadScript(name);
      carvana.views[place.dataset.view](place);
    } catch (error) {
      const again = Object.assign(document.createElement("button"), {
        type: "button", textContent: "Try again",
        onclick: () => begin(place)});
      place.replaceChildren(error.message, " ", again);
    }
  }

  const near = new IntersectionObserver((entries) => {
    for (const {isIntersecting, target} of entries)
      if (isIntersecting) {
        near.unobserve(target);
        begin(target);
      }
  }, {rootMargin: "300px"});
  for (const place of document.querySelectorAll(".network-view"))
    near.observe(place);

  // A page from disk needs no copy, and may keep none.
  if (navigator.serviceWorker && location.protocol.startsWith("http")) {
    const first = !navigator.serviceWorker.controller;
    navigator.serviceWorker
      .register(new URL("../offline.js", carvana.folder))
      .then(() => navigator.serviceWorker.ready)
      .then(({active}) => {
        if (!first) return; // it has seen all that was loaded
        const parts = performance.getEntriesByType("resource");
        active.postMessage(
          [location.href, ...parts.map(({name}) => name)]);
      })
      .catch(() => {}); // the page works all the same while connected
  }
})();
