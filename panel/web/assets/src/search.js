// The search box of every page as a combobox (ARIA APG: list autocomplete, the focus stays in the box). Without this
// file the box is a plain form that leads to the page of results.
const WAIT = 120;

export function startSearch() {
  const box = document.getElementById("top-search");
  const list = document.getElementById("top-found");
  if (!box || !list) return;
  const said = document.getElementById("top-found-said");
  let timer, asked = 0, active = -1;

  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" })) box.setAttribute(name, value);
  const options = () => [...list.querySelectorAll("[data-url]")];

  function show(open) {
    list.hidden = !open;
    box.setAttribute("aria-expanded", String(open));
    if (!open) choose(-1);
  }

  function choose(place) {
    const all = options();
    active = all.length ? (place < -1 ? all.length - 1 : place >= all.length ? 0 : place) : -1;
    all.forEach((one, at) => one.setAttribute("aria-selected", String(at === active)));
    if (active < 0) { box.removeAttribute("aria-activedescendant"); return; }
    box.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  }

  async function look() {
    const text = box.value.trim(), mine = ++asked;
    if (!text) { list.replaceChildren(); said.textContent = ""; show(false); return; }
    let answer;
    try {
      answer = await fetch(`${box.dataset.typingUrl}?search=${encodeURIComponent(text)}`, { credentials: "same-origin" });
    } catch { return; } // no network just now: Enter still leads to the page
    if (mine !== asked || !answer.ok || answer.redirected) return;
    list.innerHTML = await answer.text();
    const many = options().length;
    said.textContent = many ? list.dataset.many.replace("{n}", many) : list.textContent.trim();
    show(document.activeElement === box);
    choose(-1);
  }

  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, WAIT); });
  box.addEventListener("focus", () => { if (list.childElementCount) show(true); });
  box.addEventListener("blur", () => setTimeout(() => show(false), 150)); // a click on a choice comes after it
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); event.stopPropagation(); show(false); return; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) { if (list.childElementCount) show(true); else look(); }
      choose(event.key === "ArrowDown" ? active + 1 : active < 0 ? -2 : active - 1);
    }
    if (event.key === "Enter" && active >= 0 && !list.hidden) { event.preventDefault(); location.assign(options()[active].dataset.url); }
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the box
  list.addEventListener("click", (event) => {
    const one = event.target.closest("[data-url]");
    if (one) location.assign(one.dataset.url);
  });

  // The contact's page has keys of its own, and a way to switch them off; elsewhere only this one.
  if (document.getElementById("contact-page")) return;
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("nava-single-keys-off")) return;
    if (event.target.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    box.focus();
    box.select();
  });
}
