// Keeps the number of signatures of an open campaign fresh. Without it the page is complete.
"use strict";

(() => {
  const box = document.querySelector("[data-count-url]");
  if (!box) return;
  const number = box.querySelector("[data-count]");
  const bar = box.querySelector("progress");
  const format = new Intl.NumberFormat(document.documentElement.lang || "en");

  async function refresh() {
    if (document.hidden) return;
    try {
      const answer = await fetch(box.dataset.countUrl, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const counted = await answer.json();
      number.textContent = format.format(counted.signatures);
      if (bar) bar.value = Math.min(counted.signatures, bar.max);
    } catch {
      // Offline: the last number stays.
    }
  }

  setInterval(refresh, 20000);
})();
