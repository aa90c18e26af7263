(() => {
  "use strict";
  const main = document.querySelector("main"), slides = [...document.querySelectorAll("section")];
  const told = document.querySelector("nav output");
  let now = 0, speaker = null;

  // The largest of some sizes at which what is shown stays in its room; 0 for none.
  function largest(room, shown) {
    const scale = main.getBoundingClientRect().width / 1280;
    for (let size = 1.6; size > 0.25; size -= 0.05) {
      shown.style.setProperty("--fit", size.toFixed(2));
      const is = shown.getBoundingClientRect();
      if (is.width <= room.clientWidth * scale && is.height <= room.clientHeight * scale) return size;
    }
    return 0;
  }

  function fit(slide) {
    const body = slide.querySelector(".body"), lead = slide.querySelector(".lead");
    const room = slide.querySelector(".room"), shown = slide.querySelector(".shown");
    const parts = slide.querySelector(".parts"), empty = !shown.firstElementChild;
    for (let text = empty ? 31 : 25; text >= 18; text--) {
      lead.style.setProperty("--text", `${text}px`);
      if (lead.offsetHeight <= body.clientHeight - (empty ? 0 : 250)) break;
    }
    if (empty) return;
    const ways = [];
    const column = lead.textContent.trim() && !shown.querySelector(".wide");
    for (const tall of column ? [false, true] : [false])
      for (const beside of parts ? [false, true] : [false]) ways.push([tall, beside]);
    const set = ([tall, beside]) => {
      slide.classList.toggle("tall", tall);
      if (parts) parts.classList.toggle("beside", beside);
      return largest(room, shown);
    };
    // Beside each other only where that is clearly larger, and the text still fits in its column.
    let best = ways[0], size = set(best);
    for (const way of ways.slice(1)) {
      const tried = set(way);
      if (tried > size * 1.15 && lead.offsetHeight <= body.clientHeight) [best, size] = [way, tried];
    }
    set(best);
  }

  function stage() {
    const scale = Math.min(innerWidth / 1280, innerHeight / 720);
    const left = (innerWidth - 1280 * scale) / 2, top = (innerHeight - 720 * scale) / 2;
    main.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  }

  function tell() {
    if (!speaker || speaker.closed) return;
    const next = slides[now + 1], heading = slide => slide.querySelector("h1, h2").innerHTML;
    speaker.document.body.innerHTML = `<h2>${now + 1} / ${slides.length} · ${heading(slides[now])}</h2>` +
      slides[now].querySelector(".notes").innerHTML + (next ? `<hr><p>Next: ${heading(next)}</p>` : "");
  }

  function go(to) {
    now = Math.max(0, Math.min(slides.length - 1, to));
    slides.forEach((slide, k) => {
      slide.classList.toggle("now", k === now);
      slide.inert = k !== now;
    });
    told.textContent = `${now + 1} / ${slides.length}`;
    history.replaceState(null, "", `#${now + 1}`);
    tell();
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = event.target.closest && event.target.closest("input, button, a");
    if (own && ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", " ", "Enter"].includes(event.key)) return;
    const steps = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, Enter: 1, " ": event.shiftKey ? -1 : 1,
                   ArrowLeft: -1, ArrowUp: -1, PageUp: -1, Home: -slides.length, End: slides.length};
    if (event.key in steps) go(now + steps[event.key]);
    else if (event.key === "n") document.body.classList.toggle("speaking");
    else if (event.key === "s") {
      speaker = open("", "speaker", "width=700,height=800");
      if (!speaker) return;
      speaker.document.title = "Speaker's notes";
      speaker.document.body.style.cssText = "font: 20px/1.45 sans-serif; margin: 24px";
      speaker.onkeydown = press;
      tell();
    } else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", press);
  document.querySelectorAll("nav button").forEach(button => button.addEventListener("click", () => {
    go(now + Number(button.dataset.step));
    button.blur();  // the arrow keys are the slides' again
  }));
  addEventListener("resize", stage);
  addEventListener("hashchange", () => go((parseInt(location.hash.slice(1), 10) || 1) - 1));
  stage();
  go((parseInt(location.hash.slice(1), 10) || 1) - 1);
  const set = window.MathJax && MathJax.startup ? MathJax.startup.promise : Promise.resolve();
  const drawn = [...document.images].map(image => image.decode().catch(() => {}));
  Promise.all([set, document.fonts.ready, ...drawn]).then(() => {
    slides.forEach(fit);
    document.body.dataset.ready = "yes";
  });
})();
