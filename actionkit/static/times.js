// Turns moments of the desk, which come in UTC, into the reader's own zone. Without it they stay UTC, and say so.
"use strict";

(() => {
  const moments = document.querySelectorAll("time.moment");
  const notes = document.querySelectorAll(".times-in");
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if (!timeZone || timeZone === "UTC") return;

  const language = document.documentElement.lang || "en";
  const format = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  for (const moment of moments) {
    const at = new Date(moment.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    moment.title = `${moment.textContent.trim()} UTC`;
    moment.textContent = format.format(at);
  }
  for (const note of notes) note.textContent = note.dataset.here.replace("{}", timeZone);
})();
