// Says how long the page was open when its form is sent (a hint for staff, never a reason), and once, when the page is
// seen, that it was opened: one more in a sum, nothing about whoever sees it. Without it nothing is missing.
"use strict";

(() => {
  const form = document.querySelector(".sign-form");
  if (!form) return;
  form.addEventListener("formdata", (event) => {
    event.formData.set("seconds", String(Math.round(performance.now() / 1000)));
  });

  const address = form.dataset.opened;
  if (!address) return;
  function tell() {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", tell);
    navigator.sendBeacon(address);
  }
  document.addEventListener("visibilitychange", tell);
  tell();
})();
