// The editor of a campaign: the preview follows what is typed, what is typed is kept, placeholders are buttons.
// Without it everything works by the buttons of the form.
"use strict";

(() => {
  const form = document.querySelector("form[data-editor]");
  if (!form) return;
  const status = form.querySelector("[data-status]");
  const part = form.querySelector("[data-preview-part]");
  const previewLanguage = form.querySelector("[data-preview-language]");
  const PREVIEW_AFTER = 600;
  const KEEP_AFTER = 3000;
  let isChanged = "isChanged" in form.dataset;
  let isSending = false;
  let previewTimer, keepTimer, asked = 0;

  previewLanguage.disabled = false;
  for (const button of form.querySelectorAll("[data-hide]")) button.hidden = true;

  const typed = () => new URLSearchParams(new FormData(form));
  const post = (url) => fetch(url, { method: "POST", body: typed(), credentials: "same-origin" });

  // ------------------------------------------------------------ preview

  async function refresh() {
    const number = ++asked;
    try {
      const answer = await post(form.dataset.preview);
      if (!answer.ok || number !== asked) return;
      const html = await answer.text();
      if (number !== asked) return;
      const open = [...part.querySelectorAll("details")].map((each) => each.open);
      const focused = part.contains(document.activeElement) ? document.activeElement.value : null;
      part.innerHTML = html;
      part.querySelectorAll("details").forEach((each, place) => {
        if (place in open) each.open = open[place];
      });
      if (focused) part.querySelector(`button[value="${CSS.escape(focused)}"]`)?.focus();
    } catch {
      // Offline: the last preview stays.
    }
  }

  part.addEventListener("click", (event) => {
    const button = event.target.closest('button[name="preview_language"]');
    if (!button) return;
    event.preventDefault();
    previewLanguage.value = button.value;
    refresh();
  });

  // ------------------------------------------------------------ kept by itself

  async function keep() {
    if (!isChanged || isSending) return;
    isChanged = false;
    try {
      const answer = await post(form.dataset.draft);
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      const now = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
      status.textContent = `${form.dataset.kept} ${now}`;
    } catch {
      isChanged = true;
      status.textContent = form.dataset.notKept;
      keepTimer = setTimeout(keep, KEEP_AFTER * 5);
    }
  }

  form.addEventListener("input", () => {
    isChanged = true;
    clearTimeout(previewTimer);
    clearTimeout(keepTimer);
    previewTimer = setTimeout(refresh, PREVIEW_AFTER);
    keepTimer = setTimeout(keep, KEEP_AFTER);
  });
  form.addEventListener("submit", () => {
    isSending = true;
  });
  addEventListener("pagehide", () => {
    if (isChanged && !isSending) navigator.sendBeacon(form.dataset.draft, typed());
  });
  addEventListener("pageshow", () => {
    isSending = false;
  });
  if (isChanged) keepTimer = setTimeout(keep, KEEP_AFTER);

  // ------------------------------------------------------------ placeholders

  let last = null;
  form.addEventListener("focusin", (event) => {
    if (/-(subject|template)$/.test(event.target.id)) last = event.target;
  });
  for (const list of form.querySelectorAll("[data-into]")) {
    const template = document.getElementById(list.dataset.into);
    const subject = document.getElementById(list.dataset.into.replace(/template$/, "subject"));
    for (const code of list.querySelectorAll("code[data-placeholder]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.textContent = code.textContent;
      button.addEventListener("click", () => {
        const field = last === subject ? subject : template;
        field.setRangeText(code.dataset.placeholder, field.selectionStart, field.selectionEnd, "end");
        field.focus();
        field.dispatchEvent(new Event("input", { bubbles: true }));
      });
      code.replaceWith(button);
    }
  }
})();
