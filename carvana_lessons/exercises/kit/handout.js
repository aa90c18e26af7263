(() => {
  "use strict";
  const sheet = document.querySelector(".sheet"), terms = document.querySelector(".terms");
  const fits = () => sheet.scrollHeight <= sheet.clientHeight && sheet.scrollWidth <= sheet.clientWidth;

  // Smaller letters first, down to 8.5 pt; then fewer terms; then smaller ones still.
  function fit() {
    const shrink = least => {
      for (let size = parseFloat(sheet.style.getPropertyValue("--size")) || 11; ; size -= 0.25) {
        sheet.style.setProperty("--size", `${size}pt`);
        if (fits() || size <= least) return;
      }
    };
    shrink(8.5);
    while (!fits() && terms.children.length > 3) terms.lastElementChild.remove();
    shrink(7);
    document.body.dataset.ready = fits() ? "yes" : "no";
  }

  const set = window.MathJax && MathJax.startup ? MathJax.startup.promise : Promise.resolve();
  const drawn = [...document.images].map(image => image.decode().catch(() => {}));
  Promise.all([set, document.fonts.ready, ...drawn]).then(fit);
})();
