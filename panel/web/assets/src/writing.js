// Writing to one contact: the page opens in a window beside the timeline, its forms are sent from there, the preview
// follows what is typed. Everything here is a plain page with plain forms beneath.

const CHECK_AFTER = 500;
let timer = 0;
let last = null;
let opener = null;

function dialog() {
  let found = document.getElementById("write-dialog");
  if (found) return found;
  found = document.createElement("dialog");
  found.id = "write-dialog";
  found.className = "panel-dialog write-dialog";
  found.setAttribute("aria-labelledby", "write-dialog-title");
  found.innerHTML = '<div class="dialog-head"><h2 id="write-dialog-title"></h2><button type="button" class="icon-button" data-close></button></div><div data-part></div>';
  const close = document.querySelector("#sent-dialog .icon-button");
  if (close) found.querySelector("[data-close]").innerHTML = close.innerHTML;
  document.body.append(found);
  found.addEventListener("close", () => { found.querySelector("[data-part]").replaceChildren(); opener?.focus(); });
  return found;
}

// Shows what the server answered: another look of the form, or the contact's page when it is done.
function take(text, url) {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const part = parsed.getElementById("write-part");
  if (!part) return window.panelTakePage ? window.panelTakePage(parsed, url) : location.assign(url);
  const window_ = dialog();
  window_.querySelector("#write-dialog-title").textContent = part.dataset.title;
  window_.querySelector("[data-part]").replaceChildren(document.adoptNode(part));
  if (!window_.open) window_.showModal();
  last = window_.querySelector("textarea");
  (window_.querySelector("[autofocus]") || last || window_.querySelector("select"))?.focus();
  show(window_.querySelector("form[data-writing]"));
}

async function open(link) {
  opener = link;
  const answer = await fetch(link.href, { credentials: "same-origin" });
  take(await answer.text(), answer.url);
}

async function send(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  for (const one of form.querySelectorAll("button")) one.disabled = true;
  const answer = await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
  const text = await answer.text();
  if (text.includes('id="write-part"')) return take(text, answer.url);
  dialog().close();
  take(text, answer.url);
}

async function show(form) {
  const button = form?.querySelector("[data-show]");
  if (!button) return;
  // A fresh frame each time: its first document adds no step to the Back button.
  const old = form.querySelector(".write-frame"), frame = old.cloneNode();
  old.replaceWith(frame);
  form.requestSubmit(button);
  const answer = await fetch(button.dataset.check, { method: "POST", body: new FormData(form), credentials: "same-origin" });
  if (answer.ok && form.isConnected) form.querySelector("[data-facts]").innerHTML = await answer.text();
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("a[data-writes]");
  if (link && document.getElementById("contact-page") && window === window.top) { event.preventDefault(); open(link); return; }
  const closer = event.target.closest("#write-dialog [data-close]");
  if (closer) { event.preventDefault(); dialog().close(); return; }
  const field = event.target.closest(".write-part [data-field]");
  if (!field) return;
  const box = last?.isConnected ? last : document.getElementById("write-text");
  box.focus();
  box.setRangeText(field.dataset.field, box.selectionStart, box.selectionEnd, "end");
  box.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-writing]") || event.submitter?.hasAttribute("data-show")) return;
  if (form.closest("#write-dialog")) { event.preventDefault(); send(form, event.submitter); return; }
  // On a page of its own: a second click sends nothing, and the server would know it in any case.
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-writing][data-sent]")) delete form.dataset.sent; });

document.addEventListener("change", (event) => {
  const changed = event.target.closest("[data-changes-form]");
  if (!changed) return;
  const button = Object.assign(document.createElement("button"), { type: "submit", name: "do", value: changed.dataset.changesForm || "form", formNoValidate: true, hidden: true });
  changed.form.append(button);
  changed.form.requestSubmit(button);
});

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-writing]");
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => { if (form.isConnected) show(form); }, CHECK_AFTER);
});

document.addEventListener("focusin", (event) => { if (event.target.matches?.(".write-part [data-takes-fields]")) last = event.target; });

const alone = document.querySelector("main #write-part form[data-writing]");
if (alone) show(alone);
