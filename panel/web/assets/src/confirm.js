// <button data-confirm="Delete the tag?" data-confirm-button="Delete">: asks in a dialog, then sends the form with
// confirmed=1. The server asks by itself when that field is missing, so nothing is done unasked without this file.

const pending = new WeakSet();

function ask(button) {
  const dialog = document.getElementById("confirm-dialog");
  dialog.querySelector("[data-question]").textContent = button.dataset.confirm;
  dialog.querySelector("[data-more]").textContent = button.dataset.confirmMore || "";
  dialog.querySelector("[data-yes]").textContent = button.dataset.confirmButton || button.textContent.trim();
  dialog.querySelector("[data-yes]").className = button.dataset.confirmCalm === undefined ? "btn btn-danger" : "btn btn-primary";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export function startConfirming() {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const button = event.submitter;
    if (pending.has(form)) { pending.delete(form); return; }
    const asks = button?.dataset.confirm ? button : form.dataset.confirm ? form : null;
    if (!asks) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!(await ask(asks))) { button?.focus(); return; }
    let flag = form.querySelector('input[name="confirmed"]');
    if (!flag) {
      flag = document.createElement("input");
      flag.type = "hidden";
      flag.name = "confirmed";
      form.append(flag);
    }
    flag.value = "1";
    pending.add(form);
    form.requestSubmit(button);
  }, true);
}
