// What the terminal page imports: one module, with the style sheet as text in it.
export { Terminal } from "@xterm/xterm";
export { FitAddon } from "@xterm/addon-fit";
export { WebLinksAddon } from "@xterm/addon-web-links";
export { default as css } from "@xterm/xterm/css/xterm.css";
