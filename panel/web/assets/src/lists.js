// Lists: "select all", and the bar of bulk actions that appears when something is selected. Without this file the bar
// is simply always there.

function update(form) {
  const boxes = [...document.querySelectorAll(`.row-check[form="${form.id}"]`)];
  const chosen = boxes.filter((box) => box.checked).length;
  const all = document.querySelector(`[data-check-all="${form.id}"]`);
  if (all) { all.checked = chosen > 0 && chosen === boxes.length; all.indeterminate = chosen > 0 && chosen < boxes.length; }
  form.classList.toggle("is-shown", chosen > 0);
  const count = form.querySelector("[data-count]");
  if (count) count.textContent = count.dataset.count.replace("0", new Intl.NumberFormat(form.dataset.digits, { useGrouping: false }).format(chosen));
}

export function startLists() {
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-check-all]")) {
      for (const row of document.querySelectorAll(`.row-check[form="${box.dataset.checkAll}"]`)) row.checked = box.checked;
      update(document.getElementById(box.dataset.checkAll));
    } else if (box.matches(".row-check") && box.form) update(box.form);
  });
  // The browser keeps ticked boxes when one comes back to the page.
  for (const form of document.querySelectorAll(".bulk-bar")) update(form);
}
