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
  document.addEventListener("submit", () => {
    isSending = true;
  });
  addEventListener("pagehide", () => {
    if (isChanged && !isSending) navigator.sendBeacon(form.dataset.draft, typed());
  });
  addEventListener("pageshow", () => {
    isSending = false;
  });
  if (isChanged) keepTimer = setTimeout(keep, KEEP_AFTER);

  // ------------------------------------------------------------ where she writes

  // The preview follows: to the language of the column, and to the letters while a letter is written.
  let last = null;
  form.addEventListener("focusin", (event) => {
    const field = /^text-(.+)-([a-z]+)$/.exec(event.target.id);
    if (!field) return;
    const [, language, name] = field;
    const isLetter = name === "subject" || name === "template";
    if (isLetter) last = event.target;
    const show = () => {
      const panel = part.closest(".editor-preview");
      const letters = part.querySelector("[data-letters]").getBoundingClientRect().top;
      panel.scrollTop = isLetter ? panel.scrollTop + letters - panel.getBoundingClientRect().top - 16 : 0;
    };
    if (previewLanguage.value === language) show();
    else {
      previewLanguage.value = language;
      refresh().then(show);
    }
  });

  // ------------------------------------------------------------ placeholders

  for (const list of form.querySelectorAll("[data-into]")) {
    const template = document.getElementById(list.dataset.into);
    const subject = document.getElementById(list.dataset.into.replace(/template$/, "subject"));
    list.classList.add("placeholder-buttons");
    for (const item of list.children) {
      const placeholder = item.querySelector("code").textContent;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.title = placeholder;
      button.textContent = item.querySelector("span").textContent;
      button.addEventListener("click", () => {
        const field = last === subject ? subject : template;
        field.setRangeText(placeholder, field.selectionStart, field.selectionEnd, "end");
        field.focus();
        field.dispatchEvent(new Event("input", { bubbles: true }));
      });
      item.replaceChildren(button);
    }
  }
})();
