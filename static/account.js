// What the page of new backup codes gains from a script: copying, a file, paper. The codes stand in
// the page in any case, and go nowhere from here.
"use strict";

for (const bar of document.querySelectorAll("[data-codes]")) {
  const codes = Array.from(document.getElementById(bar.dataset.codes).querySelectorAll("code"), (it) => it.textContent);
  const text = `${codes.join("\n")}\n`;
  const [copy, download, print] = ["copy", "download", "print"].map((id) => document.getElementById(id));
  const said = document.getElementById("copied");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    said.textContent = copy.dataset.done;
  });
  download.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = bar.dataset.file;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  print.addEventListener("click", () => window.print());
  // Without TLS there is no clipboard.
  copy.hidden = !navigator.clipboard;
  download.hidden = false;
  print.hidden = false;
}
