// Keeps the preview beside each text of a template up to date while the operator types.
"use strict";
{
  const waiting = new WeakMap();

  const show = async (field) => {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const typed = field.value;
    const answer = await fetch(field.dataset.previewUrl, {
      method: "POST",
      headers: { "X-CSRFToken": token },
      body: new URLSearchParams({ text: typed }),
    });
    if (answer.ok && field.value === typed) {
      const place = field.parentElement.querySelector(".django-verify-preview");
      place.innerHTML = await answer.text();
    }
  };

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.dataset && field.dataset.previewUrl) {
      clearTimeout(waiting.get(field));
      waiting.set(field, setTimeout(show, 250, field));
    }
  });
}
