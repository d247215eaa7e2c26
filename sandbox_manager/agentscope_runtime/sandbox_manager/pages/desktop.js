// The viewer of one desktop: noVNC on the visit's WebSocket.

import { $, connected, explain, finish, sandbox, socketOf, visit, waitFor } from "./visit.js";

const PATIENCE_MS = 500; // a desktop that runs answers sooner; some start with their first viewer

let rfb = null;

function showName(kind) {
  $("kind").textContent = kind;
  $("id").textContent = sandbox;
  document.title = `${kind} – desktop`;
}

async function open() {
  showName("Desktop");
  const missing = "Its noVNC bundle is missing: run `make images`, then try again.";
  const opened = await visit("./novnc.js", "The viewer is not installed", missing);
  if (!opened) return;
  showName(opened.session.sandbox_type);
  connect(opened.library.default, opened.session.control);
}

function connect(RFB, control) {
  const socket = socketOf(["binary"]);
  waitFor("Starting the desktop", PATIENCE_MS);
  let end = null;
  socket.addEventListener("close", (event) => (end = explain(event)));
  rfb = new RFB($("screen"), socket, { shared: true });
  rfb.viewOnly = !control;
  rfb.scaleViewport = true;
  rfb.background = "transparent";
  rfb.focusOnClick = control;
  rfb.addEventListener("connect", () => {
    connected(control);
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

open();
