// Ordering a course by drag. Buttons do the same without it; what is dropped is sent as one whole order.
(() => {
  const form = document.querySelector("[data-order]");
  if (!form) return;
  const whole = form.querySelector("[name=order]");
  let held = null;
  for (const item of form.querySelectorAll("[data-ref]")) {
    item.draggable = true;
    item.addEventListener("dragstart", (event) => {
      held = item;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", item.dataset.ref);
    });
    item.addEventListener("dragend", () => { held = null; });
  }
  for (const part of form.querySelectorAll("[data-module]")) {
    const list = part.querySelector("[data-list]");
    part.addEventListener("dragover", (event) => {
      if (!held) return;
      event.preventDefault();
      const next = [...list.querySelectorAll("[data-ref]")].find((one) => {
        const box = one.getBoundingClientRect();
        return one !== held && event.clientY < box.top + box.height / 2;
      });
      list.insertBefore(held, next || null);
    });
    part.addEventListener("drop", (event) => {
      if (!held) return;
      event.preventDefault();
      whole.value = [...form.querySelectorAll("[data-module]")].map((one) =>
        one.dataset.module + "=" + [...one.querySelectorAll("[data-ref]")].map((each) => each.dataset.ref).join(",")).join(";");
      whole.disabled = false;
      form.submit();
    });
  }
})();
