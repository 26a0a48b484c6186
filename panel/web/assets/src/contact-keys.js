// Single keys on the contact's page, for those who like them: / search, j and k through the items, Enter opens what an
// item knows, p shows the message as it was sent, n a note, ? this list. They can be switched off in that list
// (WCAG 2.1.4: somebody who dictates must not set them off).

const OFF = "nava-single-keys-off";
const items = () => [...document.querySelectorAll(".contact .item")].filter((one) => one.offsetParent !== null);
const current = () => document.activeElement?.closest(".item");

function step(by) {
  const all = items();
  const next = all[all.indexOf(current()) + by];
  if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
}

const KEYS = {
  "/": () => { const box = document.getElementById("top-search"); box?.focus(); box?.select(); },
  j: () => step(1),
  k: () => step(-1),
  Enter: () => { const details = current()?.querySelector("details.item-details"); if (details) details.open = !details.open; },
  p: () => current()?.querySelector("[data-opens-dialog]")?.click(),
  m: () => document.querySelector(".contact-actions a[data-writes]")?.click(),
  n: () => document.getElementById("note-text")?.focus(),
  "?": () => document.getElementById("keys-dialog")?.showModal(),
};

function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]");
}

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || isTyping(event.target)) return;
    const press = KEYS[event.key];
    if (!press || (localStorage.getItem(OFF) && event.key !== "?")) return;
    // Enter on a link or a button is theirs.
    if (event.key === "Enter" && !event.target.matches(".item")) return;
    event.preventDefault();
    press();
  });
  const choice = document.getElementById("keys-on");
  if (!choice) return;
  choice.checked = !localStorage.getItem(OFF);
  choice.addEventListener("change", () => (choice.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
}
