// A list that is shown anew is made of new elements, and whoever walks through it by the keyboard
// would be back at the top of the page, every second. What had the focus gets it again.
(() => {
  const found = () => [...document.querySelectorAll("main td a, main td button")];
  const name = (one) => one.getAttribute("aria-label") || one.getAttribute("href");
  let kept = null;
  addEventListener("focusin", (event) => {
    const all = found();
    const wanted = all.includes(event.target) ? name(event.target) : null;
    const same = all.filter((one) => name(one) === wanted); // a place may stand in many rows
    kept = wanted ? [wanted, same.indexOf(event.target)] : null;
  });
  addEventListener("pointerdown", () => { kept = null; });
  new MutationObserver(() => {
    if (!kept || (document.activeElement && document.activeElement !== document.body)) return;
    const same = found().filter((one) => name(one) === kept[0]);
    (same[kept[1]] || same[0])?.focus({ preventScroll: true });
  }).observe(document, { childList: true, subtree: true });
})();
