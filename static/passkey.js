// Speaks with a passkey or security key, and puts its answer into the form that the button is in.
// Where the browser can, passkeys are also offered in the address field, without any button.
"use strict";

// A ceremony lives five minutes; what is nearly over is not begun with.
const FRESH = 4 * 60 * 1000;

for (const button of document.querySelectorAll("button[data-passkey]")) {
  const form = button.form;
  const creates = button.dataset.passkey === "create";
  const known = window.PublicKeyCredential;
  if (!known || !known.parseRequestOptionsFromJSON || !known.parseCreationOptionsFromJSON) {
    button.disabled = true;
    continue;
  }
  const fail = () => {
    let notice = document.getElementById("fault");
    if (!notice) {
      notice = document.createElement("p");
      notice.id = "fault";
      notice.className = "notice bad";
      notice.setAttribute("role", "alert");
      form.before(notice);
    }
    notice.textContent = button.dataset.failed;
    button.disabled = false;
  };

  // What was begun serves the field and the button alike.
  let begun = null;
  const begin = () => {
    if (!begun || performance.now() - begun.at > FRESH) {
      // Where somebody is signed in, the form's proof goes along.
      const proof = form.elements.proof?.value;
      const headers = proof ? { "X-CSRF-Token": proof } : {};
      const data = fetch(button.dataset.begin, { method: "POST", headers }).then(async (answer) => {
        // The page itself knows what has to be done first.
        if ([401, 403].includes(answer.status) && button.dataset.again) {
          window.location.assign(button.dataset.again);
        }
        if (!answer.ok) throw new Error("refused");
        return (await answer.json()).data;
      });
      begun = { at: performance.now(), data };
      data.catch(() => { begun = null; });
    }
    return begun.data;
  };
  const send = (challenge, credential) => {
    form.elements.challenge_id.value = challenge;
    form.elements.credential.value = JSON.stringify(credential);
    // By its own name the form finds a button of ours.
    HTMLFormElement.prototype.submit.call(form);
  };

  // The browser speaks to one of them at a time.
  let offer = null;
  const stop = () => {
    if (offer) offer.abort();
    offer = null;
  };
  const offerInField = async () => {
    stop();
    const own = new AbortController();
    offer = own;
    try {
      const { challenge_id, options } = await begin();
      if (own.signal.aborted) return;
      const publicKey = known.parseRequestOptionsFromJSON(options);
      const wanted = { publicKey, mediation: "conditional", signal: own.signal };
      send(challenge_id, await navigator.credentials.get(wanted));
    } catch {
      // Nobody has asked for it: whatever went wrong, the fields and the button are there.
    }
  };
  const ask = async () => {
    stop();
    const { challenge_id, options } = await begin();
    const credential = creates
      ? await navigator.credentials.create({ publicKey: known.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: known.parseRequestOptionsFromJSON(options) });
    send(challenge_id, credential);
  };
  button.addEventListener("click", () => {
    button.disabled = true;
    ask().catch(() => {
      // Its answer may have been taken: the next try begins anew.
      begun = null;
      fail();
    });
  });
  button.hidden = false;

  if ("autofill" in button.dataset && known.isConditionalMediationAvailable) {
    known.isConditionalMediationAvailable().then((can) => {
      if (!can) return;
      offerInField();
      // Whoever comes back to the field later finds an offer that still holds.
      form.elements.email.addEventListener("focus", () => {
        if (!button.disabled && begun && performance.now() - begun.at > FRESH) offerInField();
      });
    });
  }
}
