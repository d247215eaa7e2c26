// The viewer of one desktop. The link's ticket is in the fragment, which no server and no log sees; it is exchanged for
// a cookie, and the cookie opens one WebSocket. Host, port and everything else that matters come from this page's own
// address: parameters in a link are ignored and removed, so that no link can lead the viewer elsewhere.

const $ = (id) => document.getElementById(id);
const body = document.body;
const place = location.pathname.replace(/\/+$/, "");
const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
history.replaceState(null, "", place);

const WORDS = { connecting: "Connecting", connected: "Watching", ended: "Ended", refused: "Not opened" };

const PATIENCE_MS = 500; // a desktop that runs answers sooner; some start with their first viewer

let rfb = null;

function become(state, title = "", why = "") {
  if (body.dataset.state === "ended" || body.dataset.state === "refused") return;
  body.dataset.state = state;
  $("state").lastElementChild.textContent = "control" in body.dataset ? "In control" : WORDS[state];
  $("over").hidden = !title;
  $("over").querySelector("h2").textContent = title;
  $("why").textContent = why;
}

function finish(state, title, why, gone = false) {
  delete body.dataset.control;
  $("gone").hidden = !gone;
  $("used").hidden = gone;
  become(state, title, why);
}

function showName(kind) {
  $("kind").textContent = kind;
  $("id").textContent = decodeURIComponent(place.split("/").pop());
  document.title = `${kind} – desktop`;
}

/** Exchange the ticket; returns what the manager says of the desktop, or null after saying why not. */
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

/** Put the reasons of a closed WebSocket into words. */
function explain({ code, reason }) {
  if (code === 4010) return ["The sandbox has ended", reason, true];
  if (code === 1012) return ["The manager has stopped", "Its sandboxes are gone with it.", true];
  if (code === 1006) return ["The connection was lost", "The manager or the network went away."];
  return ["The connection has ended", reason || "The desktop closed it."];
}

async function open() {
  showName("Desktop");
  if (!ticket) {
    finish("refused", "There is nothing to open here", "This page was loaded again, or opened without its link.");
    return;
  }
  // Fetched while the ticket is exchanged; it is most of what has to be loaded.
  const [library, session] = await Promise.allSettled([import("./novnc.js"), exchange()]);
  if (!session.value) return;
  if (library.status === "rejected") {
    finish("refused", "The viewer is not installed", "Its noVNC bundle is missing: run `make images`, then try again.");
    return;
  }
  const { control, sandbox_type: kind } = session.value;
  showName(kind);
  connect(library.value.default, control);
}

function connect(RFB, control) {
  const address = new URL(`${place}/websocket`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address, ["binary"]);
  setTimeout(() => {
    if (body.dataset.state === "connecting") $("state").lastElementChild.textContent = "Starting the desktop";
  }, PATIENCE_MS);
  let end = null;
  socket.addEventListener("close", (event) => (end = explain(event)));
  rfb = new RFB($("screen"), socket, { shared: true });
  rfb.viewOnly = !control;
  rfb.scaleViewport = true;
  rfb.background = "transparent";
  rfb.focusOnClick = control;
  rfb.addEventListener("connect", () => {
    if (control) body.dataset.control = "";
    become("connected");
    if (control) rfb.focus();
  });
  rfb.addEventListener("disconnect", async () => {
    // noVNC may know before the socket tells us the reason.
    if (!end) await new Promise((closed) => socket.addEventListener("close", closed, { once: true }));
    finish("ended", ...(end ?? explain({ code: 1006 })));
  });
}

$("fit").onclick = () => {
  rfb.scaleViewport = !rfb.scaleViewport;
  rfb.clipViewport = !rfb.scaleViewport;
  rfb.dragViewport = rfb.clipViewport && rfb.viewOnly;
  $("fit").setAttribute("aria-pressed", String(rfb.scaleViewport));
  rfb.focus();
};
$("full").onclick = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
};
document.addEventListener("fullscreenchange", () => {
  $("full").textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
});

open();
