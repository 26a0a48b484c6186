// Single keys on the page of tasks: j and k through them, e done, s the choices of putting off. They stay silent while
// somebody types, and where single keys are switched off (WCAG 2.1.4).
const rows = () => [...document.querySelectorAll(".tasks > .task[id]")];

export function startTaskKeys() {
  if (!document.getElementById("tasks-many")) return;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("nava-single-keys-off")) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
    const all = rows(), at = all.indexOf(document.activeElement?.closest(".task"));
    const go = { j: at + 1, k: at < 0 ? 0 : at - 1 }[event.key];
    if (go !== undefined) { event.preventDefault(); all[go]?.focus(); return; }
    if (at < 0) return;
    if (event.key === "e") { event.preventDefault(); all[at].querySelector(".task-done")?.click(); }
    if (event.key === "s") { event.preventDefault(); const pop = all[at].querySelector("details.pop"); if (pop) { pop.open = true; pop.querySelector("[name=until]")?.focus(); } }
  });
}
