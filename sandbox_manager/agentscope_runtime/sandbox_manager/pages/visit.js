// What the viewers of a desktop and of a terminal have in common: a link that opens once, and how what became of it is
// told. The link's ticket is in the fragment, which no server and no log sees; it is exchanged for a cookie, and the
// cookie opens one WebSocket. Host, port and everything else that matters come from the page's own address: parameters
// in a link are ignored and removed, so that no link can lead the viewer elsewhere.

export const $ = (id) => document.getElementById(id);

const body = document.body;
const place = location.pathname.replace(/\/+$/, "");
const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
history.replaceState(null, "", place);

const WORDS = { connecting: "Connecting", connected: "Watching", ended: "Ended", refused: "Not opened" };

/** The sandbox that this page is about. */
export const sandbox = decodeURIComponent(place.split("/").pop());

function become(state, title = "", why = "") {
  if (body.dataset.state === "ended" || body.dataset.state === "refused") return;
  body.dataset.state = state;
  $("state").lastElementChild.textContent = "control" in body.dataset ? "In control" : WORDS[state];
  $("over").hidden = !title;
  $("over").querySelector("h2").textContent = title;
  $("why").textContent = why;
}

/** Show that it is connected, and whether mouse and keyboard reach it. */
export function connected(control) {
  if (control) body.dataset.control = "";
  become("connected");
}

/** Show why it has ended, or did not begin; the first word is the last. */
export function finish(state, title, why, gone = false) {
  delete body.dataset.control;
  $("gone").hidden = !gone;
  $("used").hidden = gone;
  become(state, title, why);
}

/** Say that it takes a while, if nothing came until then. */
export function waitFor(words, milliseconds) {
  setTimeout(() => {
    if (body.dataset.state === "connecting") $("state").lastElementChild.textContent = words;
  }, milliseconds);
}

/** Exchange the ticket; returns what the manager says of the visit, or null after saying why not. */
async function exchange() {
  try {
    const answer = await fetch(`${place}/session`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ticket }),
      signal: AbortSignal.timeout(10_000),
    });
    if (answer.ok) return await answer.json();
    const problem = await answer.json().catch(() => ({}));
    finish("refused", "This link does not open", problem.detail ?? `The manager answered with HTTP ${answer.status}.`);
  } catch {
    finish("refused", "The manager does not answer", "It may have been stopped.");
  }
  return null;
}

/** Open the link: what the manager says of the visit and the library that draws it; null after saying why not. */
export async function visit(file, missing, why) {
  if (!ticket) {
    finish("refused", "There is nothing to open here", "This page was loaded again, or opened without its link. Each link opens once.");
    return null;
  }
  // Fetched while the ticket is exchanged; it is most of what has to be loaded.
  const [library, session] = await Promise.allSettled([import(file), exchange()]);
  if (!session.value) return null;
  if (library.status === "rejected") {
    finish("refused", missing, why);
    return null;
  }
  return { library: library.value, session: session.value };
}

/** Make the WebSocket of the visit. */
export function socketOf(protocols = []) {
  const address = new URL(`${place}/websocket`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return new WebSocket(address, protocols);
}

/** Put the reasons of a closed WebSocket into words: what `finish` takes behind the state. */
export function explain({ code, reason }) {
  if (code === 4001) return ["The terminal has ended", reason];
  if (code === 4010) return ["The sandbox has ended", reason, true];
  if (code === 1012) return ["The manager has stopped", "Its sandboxes are gone with it.", true];
  if (code === 1006) return ["The connection was lost", "The manager or the network went away."];
  return ["The connection has ended", reason || "The sandbox closed it."];
}

$("full").onclick = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
};
document.addEventListener("fullscreenchange", () => {
  $("full").textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
});
