// Betters the pages of the web flow, which do without it: reads the code of an arriving message,
// counts the wait down, shows the field that the chosen channel needs, and sends no form twice.

const all = (selector) => [...document.querySelectorAll(selector)];

function sendOnce(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent || event.submitter?.getAttribute("aria-disabled")) event.preventDefault();
    else form.dataset.sent = "yes";
  });
  // A page that comes back from the browser's memory may send again.
  addEventListener("pageshow", () => { delete form.dataset.sent; });
}

function countDown(form) {
  const sentence = form.querySelector("[data-verify-wait]");
  const left = form.querySelector("[data-verify-left]");
  const ready = form.querySelector("[data-verify-ready]");
  const buttons = [...form.querySelectorAll("button")];
  const until = Date.now() + Number(form.dataset.verifyResend) * 1000;
  const words = new Intl.NumberFormat(form.closest("[lang]")?.lang || undefined, {
    style: "unit", unit: "second", unitDisplay: "long", numberingSystem: "latn",
  });
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (seconds > 0) {
      left.textContent = words.format(seconds);
      return;
    }
    clearInterval(timer);
    sentence.hidden = true;
    buttons.forEach((button) => { button.removeAttribute("aria-disabled"); });
    ready.textContent = ready.dataset.verifyReady;  // announced once, not each second
  };
  if (until <= Date.now()) return;
  // Not `disabled`, which would take the focus away.
  buttons.forEach((button) => { button.setAttribute("aria-disabled", "true"); });
  const timer = setInterval(tick, 250);
  tick();
}

function readMessage(form) {
  if (form.dataset.verifyCode !== "sms" || !("OTPCredential" in window)) return;
  const waiting = new AbortController();
  const stop = () => waiting.abort();
  form.addEventListener("submit", stop);
  addEventListener("pagehide", stop);
  navigator.credentials
    .get({ otp: { transport: ["sms"] }, signal: waiting.signal })
    .then((message) => {
      if (!message?.code || form.dataset.sent) return;
      form.elements.code.value = message.code;
      form.elements.code.focus();
      form.requestSubmit();
    })
    .catch(() => {});  // no message, or no leave to read it: the code is typed
}

function followChannel(fieldset) {
  const show = () => {
    const chosen = fieldset.querySelector("input:checked");
    const wanted = chosen?.value === "email" ? "email" : "phone";
    const groups = all("[data-verify-group]");
    if (!chosen || !groups.some((group) => group.dataset.verifyGroup === wanted)) return;
    groups.forEach((group) => { group.hidden = group.dataset.verifyGroup !== wanted; });
  };
  fieldset.addEventListener("change", show);
  addEventListener("pageshow", show);
  show();
}

all("form[data-verify-form]").forEach(sendOnce);
all("form[data-verify-resend]").forEach(countDown);
all("form[data-verify-code]").forEach(readMessage);
all("[data-verify-channels]").forEach(followChannel);
