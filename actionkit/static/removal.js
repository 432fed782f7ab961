// Keeps the numbers of a removal fresh while the worker is at it. Without it a link shows them.
"use strict";

(() => {
  const box = document.querySelector("[data-work]");
  if (!box) return;

  async function refresh() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector(`[data-work="${box.dataset.work}"]`);
      if (!fresh) {
        location.reload(); // it has ended: the whole page says something else
        return;
      }
      box.querySelector("p").textContent = fresh.querySelector("p").textContent;
      box.querySelector("progress").value = fresh.querySelector("progress").value;
    } catch {
      // Offline: the last numbers stay.
    }
  }

  setInterval(refresh, 2000);
})();
