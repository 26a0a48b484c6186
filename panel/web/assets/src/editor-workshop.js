// The page around the editor: the draft saves itself, the list of problems and the journey in words follow the text.
// <form data-editor data-draft-url data-words-...>; without this file its buttons check, save and publish.

const PAUSE = 1200; // ms after the last key before the draft is saved

function csrf() {
  return document.querySelector('meta[name="csrf-token"]')?.content || "";
}

export function startWorkshop() {
  const form = document.querySelector("form[data-editor]");
  const area = form?.querySelector("textarea[data-yaml-editor]");
  if (!area) return;
  const state = document.querySelector("[data-save-state]");
  const base = form.querySelector("[data-base]");
  const conflict = document.querySelector("[data-conflict]");
  let stored = area.value, timer = 0, saving = null, stopped = false;

  async function send(anyway) {
    const text = area.value;
    state.classList.remove("is-failed");
    state.textContent = form.dataset.wordsSaving;
    let answer;
    try {
      answer = await fetch(form.dataset.draftUrl, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf() },
        body: JSON.stringify({ text, base: base.value, anyway: anyway || undefined }),
      });
    } catch {
      answer = null;
    }
    const said = answer ? await answer.json().catch(() => ({})) : {};
    if (answer?.status === 409) {
      stopped = true;
      conflict.hidden = false;
      conflict.querySelector("[data-conflict-words]").textContent = said.conflict;
      state.textContent = "";
      return false;
    }
    if (!answer?.ok) {
      state.classList.add("is-failed");
      state.textContent = form.dataset.wordsFailed;
      timer = setTimeout(save, 5000);
      return false;
    }
    stored = text;
    base.value = said.sha256;
    state.textContent = said.saved;
    return true;
  }

  // One at a time: the next one needs the answer of the last.
  async function save(anyway = false) {
    clearTimeout(timer);
    if (saving) await saving;
    if (!anyway && (stopped || area.value === stored)) return true;
    saving = send(anyway === true);
    const done = await saving;
    saving = null;
    return done;
  }

  area.addEventListener("input", () => { clearTimeout(timer); if (!stopped) timer = setTimeout(save, PAUSE); });
  addEventListener("beforeunload", (event) => { if (area.value !== stored && !form.dataset.leaving) event.preventDefault(); });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") save(); });
  conflict.querySelector("[data-keep-mine]").addEventListener("click", async () => {
    stopped = false;
    if (await save(true)) conflict.hidden = true;
  });
  form.addEventListener("submit", async (event) => {
    if (form.dataset.leaving || event.submitter?.name === "anyway") { form.dataset.leaving = "1"; return; }
    event.preventDefault();
    if (!(await save())) return;
    form.dataset.leaving = "1";
    form.requestSubmit(event.submitter);
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); save(); }
  });

  const count = document.querySelector("[data-problem-count]");
  const fromServer = form.querySelector("[data-server-problems]");
  const words = form.querySelector("[data-words]");
  const stale = form.querySelector("[data-words-stale]");
  area.addEventListener("panel:checked", ({ detail }) => {
    fromServer.hidden = detail.problems.length > 0;
    if (!detail.problems.length) {
      const none = document.createElement("p");
      none.className = "problems-none";
      none.textContent = form.dataset.wordsNone;
      fromServer.replaceChildren(none);
    }
    count.textContent = new Intl.NumberFormat(form.dataset.digits || "en", { useGrouping: false }).format(detail.problems.length);
    const isStale = !detail.words && words.querySelector(".words-steps") !== null;
    words.classList.toggle("is-stale", isStale);
    stale.hidden = !isStale;
    if (detail.words) words.innerHTML = detail.words;
  });
}

// The form of a new journey: the chosen beginning proposes a name and an identity until somebody writes their own.
const fresh = document.querySelector("form[data-new-journey]");
if (fresh) {
  const propose = () => {
    const chosen = fresh.querySelector("input[name=recipe]:checked");
    for (const field of ["name", "identity"]) {
      const box = fresh.elements[field];
      if (!box.dataset.own && (!box.value || box.value === box.dataset.proposed)) box.value = box.dataset.proposed = chosen.dataset[field];
    }
  };
  for (const field of ["name", "identity"]) fresh.elements[field].addEventListener("input", (event) => { event.target.dataset.own = "1"; });
  fresh.addEventListener("change", (event) => { if (event.target.name === "recipe") propose(); });
  propose();
}
