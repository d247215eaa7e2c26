// The viewer of one terminal: xterm.js on the visit's WebSocket.

import { adopt } from "./terminal_styles.js";
import { $, connected, explain, finish, sandbox, socketOf, visit } from "./visit.js";

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

function showName(kind, terminal = "") {
  $("kind").textContent = kind;
  $("id").textContent = `${sandbox} ${terminal}`.trim();
  document.title = `${kind} – terminal`;
}

async function open() {
  showName("Terminal");
  const missing = "Its xterm.js bundle is missing: run `make images`, then try again.";
  const opened = await visit("./xterm.js", "The terminal is not installed", missing);
  if (!opened) return;
  const { control, sandbox_type: kind, terminal_id: name } = opened.session;
  showName(kind, name);
  adopt(opened.library.css);
  connect(opened.library, control, kind);
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
  const socket = socketOf();
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
    connected(control);
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

open();
