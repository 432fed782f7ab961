// Does the proof of work that a campaign under attack asks for, while its form is being filled in.
//
// The protocol is ALTCHA's, and so is the worker that does the arithmetic (vendor/altcha-pbkdf2.js). It begins with
// the first touch of the form. Who is quicker than it waits a moment after pressing the button, and the form is then
// sent by itself. Whatever goes wrong, the form can be sent: staff look at what comes without a proof.
"use strict";

(() => {
  const form = document.querySelector("form[data-challenge]");
  if (!form) return;
  const { challenge: challengeUrl, worker: workerUrl, proofSeconds } = form.dataset;
  const status = form.querySelector(".proof-status");
  const progress = form.querySelector(".proof progress");

  const MARGIN_MS = 60_000; // a proof that runs out within this time is made anew
  const PATIENCE_MS = 30_000; // after this the form is sent without one

  let work = null; // the promise of a proof, or of "" where none could be made
  let begunAt = 0;
  let proof = "";
  let hasFailed = false;
  let isWaiting = false;

  function say(text) {
    progress.hidden = text !== "working" && text !== "waiting";
    status.textContent = text ? status.dataset[text] : "";
  }

  // By the clock and not by the age of the page: that one stands still while a computer sleeps.
  const isOld = () => Date.now() - begunAt > proofSeconds * 1000 - MARGIN_MS;

  function solve(challenge) {
    return new Promise((resolve, reject) => {
      const worker = new Worker(workerUrl);
      const end = (settle, value) => {
        worker.terminate();
        settle(value);
      };
      worker.onmessage = ({ data }) => (data && data.derivedKey ? end(resolve, data) : end(reject, new Error("unsolved")));
      worker.onerror = () => end(reject, new Error("no worker"));
      worker.postMessage({
        type: "work",
        challenge,
        counterMode: "uint32",
        counterStart: 0,
        counterStep: 1,
        timeout: proofSeconds * 1000,
      });
    });
  }

  async function make() {
    try {
      const answer = await fetch(challengeUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) return "";
      const challenge = await answer.json();
      return btoa(JSON.stringify({ challenge, solution: await solve(challenge) }));
    } catch {
      return "";
    }
  }

  function begin() {
    if (work && !isOld()) return work;
    begunAt = Date.now();
    proof = "";
    hasFailed = false;
    say(isWaiting ? "waiting" : "working");
    const mine = make().then((made) => {
      if (work !== mine) return "";
      proof = made;
      hasFailed = !made;
      say(made ? "done" : "failed");
      return made;
    });
    work = mine;
    return mine;
  }

  form.addEventListener("focusin", begin);
  form.addEventListener("input", begin);

  form.addEventListener("submit", async (event) => {
    if (event.submitter && event.submitter.hasAttribute("formaction")) return; // the preview needs none
    if (proof && !isOld()) return;
    event.preventDefault();
    if (isWaiting) return;
    isWaiting = true;
    if (hasFailed) work = null; // one more try
    const made = begin();
    say("waiting");
    await Promise.race([made, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    isWaiting = false;
    form.submit(); // checked already, and this time nobody listens
  });

  form.addEventListener("formdata", (event) => {
    if (proof) event.formData.set("altcha", proof);
  });

  // Back from the next page: what was sent has been used.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    work = null;
    proof = "";
    hasFailed = isWaiting = false;
    say("");
  });
})();
