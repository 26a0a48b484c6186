// Tells that this contact's page is open, and shows who else has it open. Nothing is asked while the tab is hidden.
const EVERY = 10_000;

async function look() {
  const place = document.getElementById("others-here");
  if (document.visibilityState !== "visible" || !place) return;
  const box = document.getElementById("note-text");
  const body = new URLSearchParams({ writing: box && box.value.trim() && document.activeElement === box ? "1" : "0" });
  let answer;
  try {
    answer = await fetch(place.dataset.url, { method: "POST", body, credentials: "same-origin", headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content } });
  } catch { return; }
  const words = answer.status === 200 && !answer.redirected ? await answer.text() : "";
  if (place.innerHTML !== words) place.innerHTML = words;
}

export function startPresence() {
  look();
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
}
