// Asks the browser what the server wants to know of a passkey, and sends the answer back.
// A button says all: data-passkey is "create" or "get", data-ask and data-answer are URLs,
// and data-name, where there is one, names the field with the visitor's name.

const notice = document.getElementById("passkey-notice");
const buttons = document.querySelectorAll("[data-passkey]");

const sentences = {
  NotAllowedError: "Nothing was done: the browser found no passkey, or was asked to stop.",
  InvalidStateError: "This device has a passkey for you already.",
  SecurityError: "The browser makes no passkeys for this host.",
};

function notify(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

async function post(url, sent) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
    },
    body: JSON.stringify(sent),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || "The site did not answer.");
  return answer;
}

async function ceremony(button) {
  const { passkey, ask, answer, name } = button.dataset;
  const identity = name && document.getElementById(name).value.trim();
  if (name && !identity) throw new Error("Enter your name first.");
  const { publicKey } = await post(ask, identity ? { identity } : {});
  const credential =
    passkey === "create"
      ? await navigator.credentials.create({
          publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey),
        })
      : await navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
        });
  const { next } = await post(answer, credential.toJSON());
  location.assign(next);
}

async function press(event) {
  notify("");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await ceremony(event.currentTarget);
  } catch (error) {
    notify(sentences[error.name] || error.message);
  }
  buttons.forEach((button) => { button.disabled = false; });
}

if (window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
  buttons.forEach((button) => {
    button.addEventListener("click", press);
    button.disabled = false;
  });
} else {
  notify("This browser, or this host, cannot use passkeys.");
}
