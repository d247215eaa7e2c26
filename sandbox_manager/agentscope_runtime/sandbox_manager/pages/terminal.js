// The viewer of one terminal. The link's ticket is in the fragment, which no server and no log sees; it is exchanged for
// a cookie, and the cookie opens one WebSocket. Host, port and everything else that matters come from this page's own
// address: parameters in a link are ignored and removed, so that no link can lead the viewer elsewhere.

import { adopt } from "./terminal_styles.js";

const $ = (id) => document.getElementById(id);
const body = document.body;
const place = location.pathname.replace(/\/+$/, "");
const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
history.replaceState(null, "", place);

const WORDS = { connecting: "Connecting", connected: "Watching", ended: "Ended", refused: "Not opened" };
const CONFIRM = 1 << 15; // bytes shown before the sandbox is told so; it stops sending when we are far behind
const PIECE = 1 << 15; // the most bytes of one message; what is pasted may be longer
const THEME = {
  background: "#0d1110",
  foreground: "#dfe6e3",
  cursor: "#74c3b9",
  cursorAccent: "#0d1110",
  selectionBackground: "#2f5d57",
  black: "#1b2220",
  red: "#ef8b82",
  green: "#5fc08d",
  yellow: "#dcaa4e",
  blue: "#86aee6",
  magenta: "#c99be0",
  cyan: "#74c3b9",
  white: "#cfd8d5",
  brightBlack: "#6f7d78",
  brightRed: "#ffa89f",
  brightGreen: "#82d9a9",
  brightYellow: "#f0c674",
  brightBlue: "#a9c8f5",
  brightMagenta: "#ddb8ef",
  brightCyan: "#97dcd3",
  brightWhite: "#f4f8f6",
};

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

function showName(kind, terminal = "") {
  $("kind").textContent = kind;
  $("id").textContent = `${decodeURIComponent(place.split("/").pop())} ${terminal}`.trim();
  document.title = `${kind} – terminal`;
}

/** Exchange the ticket; returns what the manager says of the terminal, or null after saying why not. */
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
  if (code === 4001) return ["The terminal has ended", reason];
  if (code === 4002) return ["The connection has ended", reason];
  if (code === 4010) return ["The sandbox has ended", reason, true];
  if (code === 1012) return ["The manager has stopped", "Its sandboxes are gone with it.", true];
  if (code === 1006) return ["The connection was lost", "The manager or the network went away."];
  return ["The connection has ended", reason];
}

async function open() {
  showName("Terminal");
  if (!ticket) {
    finish("refused", "There is nothing to open here", "This page was loaded again, or opened without its link.");
    return;
  }
  // Fetched while the ticket is exchanged; it is most of what has to be loaded.
  const [library, session] = await Promise.allSettled([import("./xterm.js"), exchange()]);
  if (!session.value) return;
  if (library.status === "rejected") {
    finish("refused", "The terminal is not installed", "Its xterm.js bundle is missing: run `make images`, then try again.");
    return;
  }
  const { control, sandbox_type: kind, terminal_id: name } = session.value;
  showName(kind, name);
  adopt(library.value.css);
  connect(library.value, control, kind);
}

/** Make the terminal that is seen, without anything behind it. */
function draw({ Terminal, FitAddon, WebLinksAddon }, control, kind) {
  const fontFamily = getComputedStyle(document.documentElement).getPropertyValue("--mono");
  const term = new Terminal({
    theme: THEME,
    fontFamily,
    fontSize: 14,
    lineHeight: 1.15,
    scrollback: 10_000,
    cursorBlink: control,
    disableStdin: !control,
  });
  const fit = new FitAddon();
  term.loadAddon(fit);
  term.loadAddon(new WebLinksAddon());
  term.open($("screen"));
  // As in terminals outside of browsers; Ctrl+C alone is the program's.
  term.attachCustomKeyEventHandler((event) => {
    const copies = event.type === "keydown" && event.ctrlKey && event.shiftKey && event.code === "KeyC";
    if (copies && term.hasSelection()) navigator.clipboard?.writeText(term.getSelection()).catch(() => {});
    if (copies) event.preventDefault();
    return !copies;
  });
  term.onTitleChange((title) => (document.title = `${title.slice(0, 80)} – ${kind}`));
  return { term, fit };
}

function connect(library, control, kind) {
  const address = new URL(`${place}/websocket`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  const { term, fit } = draw(library, control, kind);
  const say = (words) => socket.readyState === WebSocket.OPEN && socket.send(words);

  /** Make the terminal as large as this window, for everybody; who only watches sees it as it is. */
  function fill() {
    const size = control && fit.proposeDimensions();
    if (!size || !(size.cols > 1 && size.rows > 0)) return;
    term.resize(size.cols, size.rows);
    say(JSON.stringify({ columns: size.cols, rows: size.rows }));
  }

  let taken = 0;
  let confirmed = 0;
  function took(count) {
    taken += count;
    if (taken - confirmed < CONFIRM) return;
    confirmed = taken;
    say(JSON.stringify({ taken }));
  }

  socket.onopen = () => {
    if (control) body.dataset.control = "";
    become("connected");
    say(JSON.stringify({ taken: 0 }));
    fill();
    new ResizeObserver(fill).observe($("screen"));
    if (control) term.focus();
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") {
      const { columns, rows } = JSON.parse(data);
      term.resize(columns, rows);
    } else {
      term.write(new Uint8Array(data), () => took(data.byteLength));
    }
  };
  socket.onclose = (event) => {
    term.options.disableStdin = true;
    term.options.cursorBlink = false;
    finish("ended", ...explain(event));
  };
  if (control) {
    const type = (bytes) => {
      for (let begin = 0; begin < bytes.length; begin += PIECE) say(bytes.subarray(begin, begin + PIECE));
    };
    const encoder = new TextEncoder();
    term.onData((keys) => type(encoder.encode(keys)));
    term.onBinary((bytes) => type(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))));
  }
  const grow = (step) => {
    term.options.fontSize = Math.min(32, Math.max(8, term.options.fontSize + step));
    fill();
    term.focus();
  };
  $("smaller").onclick = () => grow(-1);
  $("larger").onclick = () => grow(1);
}

$("full").onclick = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
};
document.addEventListener("fullscreenchange", () => {
  $("full").textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
});

open();
