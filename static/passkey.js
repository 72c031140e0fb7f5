// Speaks with a passkey or security key, and puts its answer into the form that the button is in.
"use strict";

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
  const ask = async () => {
    // Where somebody is signed in, the form's proof goes along.
    const proof = form.elements.proof?.value;
    const headers = proof ? { "X-CSRF-Token": proof } : {};
    const answer = await fetch(button.dataset.begin, { method: "POST", headers });
    // The page itself knows what has to be done first.
    if ([401, 403].includes(answer.status) && button.dataset.again) {
      window.location.assign(button.dataset.again);
      return;
    }
    if (!answer.ok) throw new Error("refused");
    const { challenge_id, options } = (await answer.json()).data;
    const credential = creates
      ? await navigator.credentials.create({ publicKey: known.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: known.parseRequestOptionsFromJSON(options) });
    form.elements.challenge_id.value = challenge_id;
    form.elements.credential.value = JSON.stringify(credential);
    // By its own name the form finds a button of ours.
    HTMLFormElement.prototype.submit.call(form);
  };
  button.addEventListener("click", () => {
    button.disabled = true;
    ask().catch(fail);
  });
  button.hidden = false;
}
