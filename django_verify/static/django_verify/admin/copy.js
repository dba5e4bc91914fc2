// Copies the text of a field; without it the field can be marked and copied by hand.
"use strict";
{
  const copy = async (button) => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(field.value);
    } else {
      document.execCommand("copy");
    }
    button.textContent = button.dataset.done;
  };

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}
