// What pages gain from a script. Every page works without it.
"use strict";

// A mailed token leaves the address bar, and with it the history, as soon as the page is there.
// The form has it in a hidden field.
(() => {
  const address = new URL(window.location.href);
  if (!address.searchParams.has("token")) return;
  address.searchParams.delete("token");
  window.history.replaceState(null, "", address);
})();

// A button that shows and hides a password.
for (const button of document.querySelectorAll("button[data-reveals]")) {
  const field = document.getElementById(button.dataset.reveals);
  const show = button.textContent;
  const hide = button.dataset.hide;
  const set = (visible) => {
    field.type = visible ? "text" : "password";
    button.textContent = visible ? hide : show;
  };
  button.addEventListener("click", () => set(field.type === "password"));
  // A password manager stores what it sees as a password; and nothing stays readable behind.
  field.form.addEventListener("submit", () => set(false));
  button.hidden = false;
}

// Says that Caps Lock is on, as far as the keyboard tells.
for (const hint of document.querySelectorAll("[data-caps]")) {
  const field = document.getElementById(hint.dataset.caps);
  const look = (event) => {
    if (!event.getModifierState) return;
    const text = event.getModifierState("CapsLock") ? hint.dataset.says : "";
    if (hint.textContent !== text) hint.textContent = text;
  };
  field.addEventListener("keydown", look);
  field.addEventListener("keyup", look);
  field.addEventListener("blur", () => { hint.textContent = ""; });
}

// How long a new password is, counted as the server counts. It is announced once: when it is enough.
for (const shown of document.querySelectorAll("[data-length-of]")) {
  const field = document.getElementById(shown.dataset.lengthOf);
  const told = document.querySelector(`[data-enough-of="${shown.dataset.lengthOf}"]`);
  const min = Number(shown.dataset.min);
  const count = () => {
    const length = Array.from(field.value.normalize("NFC")).length;
    shown.hidden = length === 0;
    shown.textContent = `${length} / ${min}`;
    shown.classList.toggle("enough", length >= min);
    const text = length >= min ? told.dataset.says : "";
    if (told.textContent !== text) told.textContent = text;
  };
  field.addEventListener("input", count);
  count();
}

// Counts down until a mail can be asked for again. The server has the last word.
for (const wait of document.querySelectorAll("[data-wait]")) {
  const button = document.getElementById(wait.dataset.button);
  const until = performance.now() + Number(wait.dataset.wait) * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left > 0) {
      const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      wait.textContent = wait.dataset.says.replace("{}", clock);
      window.setTimeout(tick, 500);
      return;
    }
    wait.hidden = true;
    button.disabled = false;
    document.getElementById("wait-over").textContent = wait.dataset.over;
  };
  button.disabled = true;
  tick();
}
