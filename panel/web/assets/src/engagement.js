// Parts of the contact's page that are loaded after it: whoever waits for the timeline does not wait for them.
async function load(part) {
  if (part.dataset.loading) return;
  part.dataset.loading = "1";
  try {
    const answer = await fetch(part.dataset.load, { credentials: "same-origin", headers: { "HX-Request": "true" } });
    if (answer.ok && !answer.redirected) part.innerHTML = await answer.text();
  } catch { /* the plain link stays */ }
  part.dataset.loading = "done";
}

function look() {
  for (const part of document.querySelectorAll("[data-load]:not([data-loading])")) load(part);
}

// An action on the page swaps a fresh one in its place; its parts are then loaded anew.
export function startLoadingParts() {
  const page = document.getElementById("contact-page");
  if (!page) return;
  look();
  new MutationObserver(look).observe(page.parentElement, { childList: true });
}
