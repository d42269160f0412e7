// The clock of a wall, and whether the wall lives: each refresh is a beat, ten seconds without
// one are shown. It must run in the browser, since what it tells of may be the connection; the
// hour is that of the site, as all moments on the page are.
(() => {
  let beat, heard = Date.now();
  setInterval(() => {
    const clock = document.querySelector(".clock");
    if (!clock) return;
    if (clock.dataset.beat !== beat) { beat = clock.dataset.beat; heard = Date.now(); }
    const silent = Math.round((Date.now() - heard) / 1000);
    clock.classList.toggle("late", silent > 10);
    clock.textContent = silent > 10 ? `${clock.dataset.silence} ${silent} s`
      : new Date().toLocaleTimeString("sv-SE", { timeZone: clock.dataset.zone });
  }, 500);
})();
