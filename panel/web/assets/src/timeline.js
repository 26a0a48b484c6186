// The contact's page: news while the tab is visible, small changes swapped in without a jump, the message as it was sent
// in a dialog. Everything here has a plain link or form beneath it.
import { startKeys } from "./contact-keys.js";
import { startLoadingParts } from "./engagement.js";
import { startPresence } from "./presence.js";
import "./writing.js";

const POLL = 10_000;
const UNDO_FOR = 10_000;
const page = () => document.getElementById("contact-page");

async function lookForNews() {
  const place = document.getElementById("timeline-news");
  if (document.visibilityState !== "visible" || !place || !page()) return;
  let answer;
  try {
    answer = await fetch(page().dataset.newsUrl, { credentials: "same-origin", headers: { "HX-Request": "true" } });
  } catch {
    return; // no network just now; the next look may succeed
  }
  if (answer.status !== 200) return;
  const words = await answer.text();
  if (place.innerHTML.trim() !== words.trim()) place.innerHTML = words;
}

// Sends a form or follows a link, and swaps the contact's page in place of the old one.
async function swap(url, options = {}) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  return put(new DOMParser().parseFromString(await answer.text(), "text/html"), answer.url);
}

const notices = (root) => [...root.querySelectorAll(".notice > .notice-close")].map((one) => one.parentElement);

function put(parsed, url) {
  const fresh = parsed.getElementById("contact-page");
  if (!fresh) { location.assign(url); return false; }
  // What the answer says above the page ("too late", "somebody was quicker") is said here too.
  const said = notices(parsed);
  for (const old of notices(document)) old.remove();
  page().replaceWith(document.adoptNode(fresh));
  window.htmx?.process(page());
  page().before(...said.map((one) => document.adoptNode(one)));
  startUndo();
  return url;
}
window.panelTakePage = put; // writing.js has an answer in hand

function startUndo() {
  const toast = document.querySelector("[data-undo]");
  if (!toast) return;
  let left = setTimeout(() => toast.remove(), UNDO_FOR);
  // Whoever is reading it or has it under the finger gets the time they need.
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, () => clearTimeout(left));
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, () => { clearTimeout(left); left = setTimeout(() => toast.remove(), UNDO_FOR); });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("form[data-swap], form.note-box")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  await swap(form.action, { method: "POST", body });
  const undo = form.matches(".note-box") ? null : document.querySelector("[data-undo] button"); // after a note, the next note
  (undo || document.getElementById("note-text"))?.focus({ preventScroll: true });
});

document.addEventListener("click", async (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest(".timeline-filters a, a.news-pill");
  if (link && page()) {
    event.preventDefault();
    const url = await swap(link.href);
    if (url) { history.pushState({}, "", url); document.querySelector(".timeline-filters .is-current")?.focus({ preventScroll: true }); }
    return;
  }
  const shown = event.target.closest("[data-opens-dialog]");
  const dialog = document.getElementById("sent-dialog");
  if (shown && dialog) {
    event.preventDefault();
    const frame = dialog.querySelector("[data-frame]");
    frame.src = shown.href;
    dialog.addEventListener("close", () => { frame.removeAttribute("src"); shown.focus(); }, { once: true });
    dialog.showModal();
  }
});

addEventListener("popstate", () => { if (page()) swap(location.href); });

// A click beside a small window closes it; Esc too.
document.addEventListener("click", (event) => {
  if (event.target.closest("dialog")) return; // the answer to a question asked from the small window itself
  for (const open of document.querySelectorAll("details.pop[open]")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.pop[open]")) event.target.querySelector("input:not([type=hidden]), select, textarea")?.focus();
}, true);

document.addEventListener("focusin", async (event) => {
  const box = event.target;
  if (!box.dataset?.optionsUrl || box.dataset.loaded) return;
  box.dataset.loaded = "1";
  const answer = await fetch(box.dataset.optionsUrl, { credentials: "same-origin", headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const { options } = await answer.json();
  box.list.replaceChildren(...options.map((value) => Object.assign(document.createElement("option"), { value })));
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { for (const open of document.querySelectorAll("details.pop[open]")) { open.open = false; open.querySelector("summary").focus(); } }
  if (event.key === "Escape" && event.target.id === "note-text") event.target.blur();
});

if (page()) { startPresence(); startUndo(); startKeys(); setInterval(lookForNews, POLL); document.addEventListener("visibilitychange", lookForNews); }
window.panelLookForNews = lookForNews;
// A form in the page that was answered with the whole page (a field that was changed): swapped in like everything else.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "contact-page" || !page()) return;
  event.detail.shouldSwap = false;
  put(new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html"), event.detail.xhr.responseURL);
  (document.querySelector("[data-undo] button") || document.getElementById("note-text"))?.focus({ preventScroll: true });
});
startLoadingParts();
