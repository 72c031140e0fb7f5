// Solves the puzzle of a form before it is sent: finds the number whose hash is wanted.
"use strict";

for (const form of document.querySelectorAll("form[data-captcha]")) {
  const puzzle = JSON.parse(form.dataset.captcha);
  const solve = async () => {
    const text = new TextEncoder();
    for (let number = 0; number <= puzzle.maxnumber; number += 1) {
      const bytes = await crypto.subtle.digest("SHA-256", text.encode(puzzle.salt + number));
      const hash = Array.from(new Uint8Array(bytes), (it) => it.toString(16).padStart(2, "0")).join("");
      if (hash === puzzle.challenge) {
        const { algorithm, challenge, salt, signature } = puzzle;
        return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
      }
    }
    return "";
  };
  const solved = solve();
  form.addEventListener("submit", (event) => {
    if (form.elements.captcha_token.value || event.submitter?.name === "action") return;
    event.preventDefault();
    const working = document.getElementById("captcha");
    if (working) working.hidden = false;
    solved.then((token) => {
      form.elements.captcha_token.value = token;
      HTMLFormElement.prototype.submit.call(form);
    });
  });
}
