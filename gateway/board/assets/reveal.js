// On a phone the names of pages are a line that scrolls: what is open is brought into sight, once.
(() => {
  let tries = 100; // ten seconds: the page is drawn when its scripts are read
  const looking = setInterval(() => {
    const here = document.querySelectorAll("nav.main .here, nav.sub .here");
    if (here.length || !--tries) clearInterval(looking);
    for (const one of here) {
      const line = one.closest("nav");
      line.scrollLeft = one.offsetLeft - line.offsetLeft - (line.clientWidth - one.clientWidth) / 2;
    }
  }, 100);
})();
