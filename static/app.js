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
