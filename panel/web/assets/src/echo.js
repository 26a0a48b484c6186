// What a typed day or moment means, beneath the field: <input id="due" data-echo="/dates/echo?kind=moment"> and
// <div id="due-echo" data-hint="what stands there while the field is empty">. The same for every such field.
const WAIT = 250;

async function tell(box) {
  const place = document.getElementById(`${box.id}-echo`);
  if (!place) return;
  const asked = box.value.trim();
  box.echoAsked = asked;
  if (!asked) { place.textContent = place.dataset.hint || ""; return; }
  const url = new URL(box.dataset.echo, location.href);
  url.searchParams.set("text", asked);
  const answer = await fetch(url, { credentials: "same-origin" });
  if (answer.ok && box.echoAsked === asked && place.isConnected) place.innerHTML = await answer.text();
}

// Fields that came with a value, on the page or in a part that was put into it.
function first(part) {
  for (const box of part.querySelectorAll?.("[data-echo]") || []) if (box.value.trim() && box.echoAsked === undefined) tell(box);
}

export function startEchoes() {
  document.addEventListener("input", (event) => {
    const box = event.target;
    if (!box.dataset?.echo) return;
    clearTimeout(box.echoTimer);
    box.echoTimer = setTimeout(() => tell(box), WAIT);
  });
  document.addEventListener("htmx:load", (event) => first(event.detail.elt));
  first(document);
}
