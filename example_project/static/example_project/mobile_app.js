// Behaves as a mobile app would: JSON, no cookie, and a secret that only this page has. What a real
// app adds is a place to keep id and secret, so that it can go on after it was closed.

const app = document.getElementById("app");
const notice = document.getElementById("app-notice");
const exchange = document.getElementById("app-exchange");
const forms = Object.fromEntries(
  ["start", "check", "sign-up"].map((name) => [name, document.getElementById(`app-${name}`)])
);
const field = (name) => document.getElementById(`app-${name}`);

let mine = null; // the id and the secret of the verification under way
let proof = null;

const sentences = {
  invalid_parameter: (refusal) =>
    refusal.parameter === "to" ? "Enter a complete number, with + and the country code." : refusal.message,
  max_checks_reached: () => "Too many wrong codes. Begin again later.",
  max_sends_reached: () => "No more codes for this number for now.",
  verification_expired: () => "The code is too old. Begin again.",
  clients_not_served: () => "This site has no service that is open to apps.",
};

function notify(text, isError) {
  notice.textContent = text;
  notice.classList.toggle("error", Boolean(isError));
  notice.hidden = !text;
}

function show(name) {
  for (const [key, form] of Object.entries(forms)) form.hidden = key !== name;
  forms[name].querySelector("input").focus();
}

// A secret and a proof are shown by their first characters: people paste pages into reports.
function shortened(name, value) {
  const hidden = ["client_secret", "proof"].includes(name) && typeof value === "string";
  return hidden ? `${value.slice(0, 8)}…` : value;
}

function note(path, sent, status, answer) {
  const item = document.createElement("li");
  for (const text of [`POST ${path}`, JSON.stringify(sent, shortened, 1), `${status}`, JSON.stringify(answer, shortened, 1)]) {
    const line = document.createElement("pre");
    line.textContent = text;
    item.append(line);
  }
  exchange.append(item);
}

async function post(path, sent) {
  const response = await fetch(path, {
    method: "POST",
    credentials: "omit",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(sent),
  });
  const answer = await response.json();
  note(path, sent, response.status, answer);
  if (response.ok) return answer;
  throw Object.assign(new Error(sentence(answer)), { answer });
}

function sentence(refusal) {
  if (refusal.reason in sentences) return sentences[refusal.reason](refusal);
  if (refusal.retry_after) return `Try again in ${refusal.retry_after} seconds.`;
  return refusal.message || Object.values(refusal).flat().join(" ");
}

const steps = {
  async start() {
    const to = field("to").value;
    const { purpose, verifications } = app.dataset;
    mine = await post(verifications, { to, purpose });
    notify(`We sent a code to ${mine.to}.`);
    show("check");
  },
  async check() {
    const answer = await post(`${app.dataset.verifications}/${mine.id}/check`, {
      client_secret: mine.client_secret,
      code: field("code").value,
    });
    if (!answer.valid) {
      const left = answer.checks_left;
      return notify(left ? `This code is wrong. Tries left: ${left}.` : sentences.max_checks_reached(), true);
    }
    proof = answer.proof;
    notify("The number is verified. Choose a name.");
    show("sign-up");
  },
  async "sign-up"() {
    const answer = await post(app.dataset.signUp, { username: field("name").value, proof });
    notify(`${answer.username} has signed up with ${answer.number}.`);
    forms["sign-up"].hidden = true;
  },
  async resend() {
    const { id, client_secret } = mine;
    const answer = await post(`${app.dataset.verifications}/${id}/resend`, { client_secret });
    notify(`Sent once more. Messages left: ${answer.sends_left}.`);
  },
};

async function run(step, button) {
  button.disabled = true;
  notify("");
  try {
    await steps[step]();
  } catch (error) {
    notify(error.message || "The site did not answer.", true);
  } finally {
    button.disabled = false;
  }
}

for (const [name, form] of Object.entries(forms)) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(name, form.querySelector("[type=submit]"));
  });
}
field("resend").addEventListener("click", (event) => run("resend", event.currentTarget));
