// Everything a page does in the browser. No inline handlers anywhere: pages speak through data- attributes, and every
// one of them has a way to work without this file.
import "@tabler/core";
import htmx from "htmx.org";
import { startConfirming } from "./confirm.js";
import { startEchoes } from "./echo.js";
import { startLists } from "./lists.js";
import { startMentions } from "./mentions.js";
import { startSearch } from "./search.js";
import { startTaskKeys } from "./task-keys.js";

htmx.config.includeIndicatorStyles = false; // it would inject a style without a nonce
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0; // pages with personal data are not kept in the browser's storage
htmx.config.inlineScriptNonce = "";
window.htmx = htmx;

document.documentElement.classList.add("js");

document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]');
  if (token && event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token.content;
});

// The theme "auto" follows the machine while the page is open too.
const root = document.documentElement;
if (root.dataset.theme === "auto") {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    root.dataset.bsTheme = event.matches ? "dark" : "light";
  });
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    const box = document.getElementById("top-search");
    if (box) { event.preventDefault(); box.focus(); box.select(); }
  }
});

document.addEventListener("click", async (event) => {
  const closer = event.target.closest("[data-close-notice]");
  if (closer) closer.closest(".notice").remove();
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    await navigator.clipboard.writeText(copier.dataset.copy);
    if (copier.dataset.copied) copier.querySelector("[data-copy-words]").textContent = copier.dataset.copied;
  }
});

// A day of the month picker fills its field, which then echoes what it means.
document.addEventListener("click", (event) => {
  const day = event.target.closest("[data-day-for]");
  if (!day) return;
  const field = document.getElementById(day.dataset.dayFor);
  field.value = day.dataset.day;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  day.closest(".dropdown").querySelector("[data-bs-toggle]").click();
  field.focus();
});

// <form data-autosubmit>: a changed choice is applied at once; without JavaScript its "Apply" button does it.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
});

// A form that was just refused: the summary gets the focus, so that it is read first.
document.querySelector(".error-summary")?.focus();

startConfirming();
startEchoes();
startLists();
startMentions();
startSearch();
startTaskKeys();
