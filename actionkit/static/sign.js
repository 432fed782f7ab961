// Says how long the page was open when its form is sent: a hint for staff, never a reason. Without it nothing is missing.
"use strict";

(() => {
  const form = document.querySelector(".sign-form");
  if (!form) return;
  form.addEventListener("formdata", (event) => {
    event.formData.set("seconds", String(Math.round(performance.now() / 1000)));
  });
})();
