// While somebody types an @ in a box with data-mentions, colleagues are offered (ARIA APG: list autocomplete, the focus
// stays in the box). Without this file the name is simply typed.
const TYPED = /(?:^|[^\p{L}\p{M}\p{N}_@.+-])@([\p{L}\p{M}\p{N}_.'’׳״\u200c-]{0,60})$/u; // as panel.staff.mentions reads it
const MOST = 8;
const people = new Map(); // what an address answered, asked once
let box, list, said, at = 0, active = -1, asked = 0;

// Letters as people compare them: no marks, no difference of case, Arabic ye and kaf like Persian ones.
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase().replaceAll("ي", "ی").replaceAll("ك", "ک").replace(/[\u200c_\s]+/gu, " ").trim();
const fits = (one, wanted) => {
  if (!wanted) return true;
  const name = fold(one.name), words = wanted.split(" ");
  return fold(one.said).startsWith(wanted) || fold(one.email).startsWith(wanted) || ` ${name}`.includes(` ${wanted}`) || words.every((word) => name.split(/[\s.-]+/).some((part) => part.startsWith(word)));
};

async function known(url) {
  if (!people.has(url)) {
    people.set(url, fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok && !answer.redirected ? answer.json() : { people: [] })).then((answer) => answer.people)
      .catch(() => { people.delete(url); return []; })); // no network just now: the next @ asks again
  }
  return people.get(url);
}

function build() {
  list = Object.assign(document.createElement("ul"), { id: "mention-list", className: "mention-list", hidden: true });
  list.setAttribute("role", "listbox");
  said = Object.assign(document.createElement("p"), { className: "visually-hidden" });
  said.setAttribute("role", "status");
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the box
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => { const one = event.target.closest("[role=option]"); if (one) take(one); });
}

function close() {
  if (!box) return;
  // A plain box for many lines again: only while the list is open is it a combobox.
  for (const name of ["role", "aria-autocomplete", "aria-haspopup", "aria-controls", "aria-expanded", "aria-activedescendant"]) box.removeAttribute(name);
  list.hidden = true;
  list.replaceChildren();
  said.textContent = "";
  box = undefined;
  active = -1;
}

function choose(place) {
  const all = [...list.children];
  active = (place + all.length) % all.length;
  all.forEach((one, number) => one.setAttribute("aria-selected", String(number === active)));
  box.setAttribute("aria-activedescendant", all[active].id);
  all[active].scrollIntoView({ block: "nearest" });
}

function show(target, found) {
  if (!list) build();
  const host = target.closest("dialog") || document.body;
  if (list.parentElement !== host) host.append(list, said);
  list.setAttribute("aria-label", target.dataset.mentionsLabel);
  list.replaceChildren(...found.map((one, number) => {
    const option = Object.assign(document.createElement("li"), { id: `mention-${number}`, className: "mention-option" });
    option.setAttribute("role", "option");
    option.dataset.said = one.said;
    const name = Object.assign(document.createElement("bdi"), { textContent: one.name, className: "mention-name" });
    const more = Object.assign(document.createElement("bdi"), { textContent: `@${one.said}`, className: "mention-said" });
    option.append(name, more);
    return option;
  }));
  box = target;
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-haspopup": "listbox", "aria-controls": list.id, "aria-expanded": "true" })) box.setAttribute(name, value);
  list.hidden = false;
  place();
  choose(0);
  said.textContent = box.dataset.mentionsMany.replace("{n}", found.length);
}

// Below the box, or above it where a telephone's keyboard leaves no room.
function place() {
  if (!box || list.hidden) return;
  const around = box.getBoundingClientRect(), seen = window.visualViewport, host = list.offsetParent?.getBoundingClientRect() ?? { left: 0, top: 0 };
  const bottom = seen ? seen.offsetTop + seen.height : innerHeight;
  const wide = Math.min(around.width, 352), room = bottom - around.bottom;
  list.style.width = `${wide}px`;
  list.style.left = `${(getComputedStyle(list).direction === "rtl" ? around.right - wide : around.left) - host.left}px`;
  list.style.maxHeight = `${Math.max(140, Math.min(320, Math.max(room, around.top) - 12))}px`;
  const above = room < Math.min(list.offsetHeight, 200) && around.top > room;
  list.style.top = `${(above ? around.top - list.offsetHeight - 4 : around.bottom + 4) - host.top}px`;
}

async function look(target) {
  const before = target.selectionStart === target.selectionEnd ? target.value.slice(0, target.selectionStart) : "";
  const typed = TYPED.exec(before), mine = ++asked;
  if (!typed) { close(); return; }
  const all = await known(target.dataset.mentions);
  if (mine !== asked || document.activeElement !== target) return;
  const found = all.filter((one) => fits(one, fold(typed[1]))).slice(0, MOST);
  at = before.length - typed[1].length - 1;
  if (found.length) show(target, found); else close();
}

function take(option) {
  const target = box, words = `@${option.dataset.said} `;
  const end = target.selectionStart + (target.value[target.selectionStart] === " " ? 1 : 0);
  close();
  target.focus();
  target.setSelectionRange(at, end);
  // As if it were typed, so that the browser's own undo takes it back.
  if (!document.execCommand("insertText", false, words)) { target.setRangeText(words, at, end, "end"); target.dispatchEvent(new Event("input", { bubbles: true })); }
}

export function startMentions() {
  document.addEventListener("input", (event) => { if (event.target.matches?.("[data-mentions]")) look(event.target); });
  document.addEventListener("focusout", (event) => { if (event.target === box) close(); });
  document.addEventListener("click", (event) => { if (event.target === box) look(box); });
  for (const name of ["resize", "scroll"]) addEventListener(name, place, { capture: true, passive: true });
  window.visualViewport?.addEventListener("resize", place);
  // Before anybody else hears the key: Escape closes the list and not the box it stands under.
  document.addEventListener("keydown", (event) => {
    if (event.target !== box || !box?.isConnected || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const moved = { ArrowDown: active + 1, ArrowUp: active - 1 }[event.key];
    if (moved !== undefined) choose(moved);
    else if (event.key === "Escape") { asked++; close(); }
    else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) take(list.children[active]);
    else { if (["ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"].includes(event.key)) close(); return; }
    event.preventDefault();
    event.stopPropagation();
  }, true);
}
