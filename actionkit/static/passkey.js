// Asks the browser's passkeys what the page wants to know, and sends their answer with the form.
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function made(options) {
    options.challenge = bytes(options.challenge);
    options.user.id = bytes(options.user.id);
    for (const known of options.excludeCredentials ?? []) known.id = bytes(known.id);
    const key = await navigator.credentials.create({ publicKey: options });
    const { attestationObject, clientDataJSON } = key.response;
    return { key, response: { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON) } };
  }

  async function used(options) {
    options.challenge = bytes(options.challenge);
    for (const known of options.allowCredentials ?? []) known.id = bytes(known.id);
    const key = await navigator.credentials.get({ publicKey: options });
    const { authenticatorData, clientDataJSON, signature, userHandle } = key.response;
    const response = {
      authenticatorData: text(authenticatorData),
      clientDataJSON: text(clientDataJSON),
      signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    };
    return { key, response };
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!window.PublicKeyCredential) {
      form.querySelector("[data-without]")?.removeAttribute("hidden");
      continue;
    }
    form.querySelector("button").hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = form.querySelector("[role=status]");
      said.textContent = "";
      try {
        const ask = form.dataset.passkey === "make" ? made : used;
        const { key, response } = await ask(JSON.parse(form.dataset.options));
        const answer = { id: key.id, rawId: text(key.rawId), type: key.type, response };
        form.elements.credential.value = JSON.stringify(answer);
        form.submit();
      } catch {
        said.textContent = form.dataset.nothing; // cancelled, or the device has none for us
      }
    });
  }
})();
