// The status page: asks the manager how things stand every two seconds while somebody looks, and shows it.
// What is on the page is changed in place, so that focus, scrolling and screen readers are left alone.

const EVERY = 2000;
const $ = (id) => document.getElementById(id);
const body = document.body;

class SignedOut extends Error {}

/** Call the manager; a failure is an Error whose message is for a person. */
async function call(method, path, content) {
  const options = { method, headers: {}, signal: AbortSignal.timeout(10_000) };
  if (content !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(content);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The manager does not answer. It may have been stopped; this page goes on asking.");
  }
  if (answer.ok) {
    skew = clockSkew(answer);
    return answer.status === 204 ? null : answer.json();
  }
  const problem = await answer.json().catch(() => ({}));
  const reason = problem.detail ?? `The manager answered with HTTP ${answer.status}.`;
  throw answer.status === 401 ? new SignedOut(reason) : new Error(reason);
}

/** Seconds that the manager's clock is ahead; its Date header knows whole seconds only, so little is nothing. */
function clockSkew(answer) {
  const ahead = (Date.parse(answer.headers.get("Date")) - Date.now()) / 1000;
  return Math.abs(ahead) > 2 ? ahead : 0;
}

let skew = 0;

/** Say how long ago something was: "now", "42 s", "5 min", "3 h", "2 d". */
function since(time) {
  const seconds = Math.max(0, Date.now() / 1000 + skew - time);
  if (seconds < 3) return "now";
  for (const [unit, size, below] of [["s", 1, 90], ["min", 60, 5400], ["h", 3600, 129_600]]) {
    if (seconds < below) return `${Math.round(seconds / size)} ${unit}`;
  }
  return `${Math.round(seconds / 86_400)} d`;
}

const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

/** Change the text only where it differs. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make the children of `parent` match `items`: known keys keep their element. */
function arrange(parent, items, key, template, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const name = key(item);
    let element = known.get(name);
    known.delete(name);
    if (!element) {
      element = $(template).content.firstElementChild.cloneNode(true);
      element.dataset.key = name;
    }
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
    update(element, item);
  });
  for (const gone of known.values()) gone.remove();
}

const DRAWN = ["base", "browser", "filesystem", "gui"];

function drawKind(element, kind) {
  const known = DRAWN.includes(kind) ? kind : "other";
  const use = element.querySelector(".kind use");
  if (use.dataset.kind === known) return;
  use.dataset.kind = known;
  use.setAttribute("href", `pages/kinds.svg#${known}`);
}

function showPool(card, [kind, pool]) {
  drawKind(card, kind);
  write(card.querySelector("h3"), kind);
  const keeps = pool.target ? `keeps ${pool.target} ready` : "started on demand";
  write(card.querySelector(".sum"), pool.suspended ? `${keeps} · ${pool.suspended} suspended` : keeps);
  const served = pool.hits + pool.misses;
  const figures = { ...pool, warm: served ? `${Math.round((100 * pool.hits) / served)} %` : "–" };
  for (const figure of card.querySelectorAll("dd")) write(figure, String(figures[figure.dataset.of]));
  const missing = Math.max(0, pool.target - pool.ready - pool.starting);
  const pips = { ready: pool.ready, starting: pool.starting, leased: pool.leased, missing };
  showPips(card.querySelector(".pips"), pips);
  const failure = card.querySelector(".failure");
  failure.hidden = pool.failures.count === 0;
  if (!failure.hidden) {
    const again = pool.failures.retry_in > 0 ? ` Next try in ${Math.ceil(pool.failures.retry_in)} s.` : "";
    write(failure, `${plural(pool.failures.count, "start")} in a row failed: ${pool.failures.reason}.${again}`);
  }
}

function showPips(bar, pips) {
  const wanted = Object.entries(pips).flatMap(([state, count]) => Array(Math.min(count, 60)).fill(state));
  while (bar.children.length > wanted.length) bar.lastChild.remove();
  while (bar.children.length < wanted.length) bar.append(document.createElement("i"));
  wanted.forEach((state, index) => {
    if (bar.children[index].className !== state) bar.children[index].className = state;
  });
  const words = { ready: "ready", starting: "starting", leased: "in use", missing: "missing" };
  const told = Object.entries(pips).filter(([, count]) => count);
  bar.setAttribute("aria-label", told.map(([state, count]) => `${count} ${words[state]}`).join(", ") || "none");
}

function showLease(card, lease) {
  write(card.querySelector("h3"), lease.session_id);
  write(card.querySelector(".who"), lease.user_id ? `user ${lease.user_id}` : "no user named");
  const release = card.querySelector(".release");
  release.setAttribute("aria-label", `Release session ${lease.session_id}`);
  release.onclick = () => askAndRelease(lease);
  arrange(card.querySelector("ul"), lease.sandboxes, (sandbox) => sandbox.sandbox_id, "sandbox-row", showSandbox);
}

function showSandbox(row, sandbox) {
  drawKind(row, sandbox.sandbox_type);
  write(row.querySelector("b"), sandbox.sandbox_type);
  write(row.querySelector("code"), sandbox.sandbox_id);
  const held = since(sandbox.leased_at);
  const age = held === "now" ? "leased just now" : `leased ${held} ago`;
  write(row.querySelector(".times"), `${age}, ${doing(sandbox)}`);
  for (const [name, what] of [[".watch", "desktop"], [".control", "desktop"], [".terminal", "terminal"]]) {
    const control = name !== ".watch";
    const button = row.querySelector(name);
    button.hidden = what === "desktop" && !sandbox.desktop;
    button.onclick = () => openLink(sandbox, what, control);
    button.setAttribute("aria-label", `${button.textContent} ${sandbox.sandbox_type} ${sandbox.sandbox_id}`);
  }
}

/** Say what a leased sandbox does: it is used, idle, frozen, suspended, or on its way there or back. */
function doing(sandbox) {
  if (sandbox.state === "suspended") return `suspended for ${since(sandbox.suspended_at)}`;
  if (sandbox.state !== "leased") return sandbox.state === "suspending" ? "being suspended" : "starting again";
  const idle = since(sandbox.last_active_at);
  if (idle === "now") return "active now";
  return sandbox.paused ? `frozen, idle for ${idle}` : `idle for ${idle}`;
}

async function openLink(sandbox, what, control) {
  // Opened at once, while the click counts; browsers stop windows that come later.
  const tab = window.open("about:blank");
  try {
    const link = await call("POST", `v1/sandboxes/${sandbox.sandbox_id}/${what}`, { control });
    if (tab) tab.location.replace(link.url);
    else location.assign(link.url);
  } catch (error) {
    tab?.close();
    tell(error.message);
    refresh();
  }
}

async function askAndRelease(lease) {
  const kinds = lease.sandboxes.map((sandbox) => sandbox.sandbox_type).join(", ");
  const whose = lease.user_id ? ` of user ${lease.user_id}` : "";
  $("confirm-what").textContent = `Session ${lease.session_id}${whose} holds: ${kinds}.`;
  const dialog = $("confirm");
  dialog.returnValue = "keep";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue !== "release") return;
  const query = new URLSearchParams({ session_id: lease.session_id, user_id: lease.user_id });
  try {
    await call("DELETE", `v1/leases?${query}`);
  } catch (error) {
    tell(error.message);
  }
  refresh();
}

let told = "";

/** Show what went wrong with something that a person did, until the next good moment. */
function tell(message) {
  told = message;
  $("trouble").hidden = false;
  write($("trouble"), message);
  setTimeout(() => told === message && clearTrouble(), 12_000);
}

function clearTrouble() {
  told = "";
  $("trouble").hidden = true;
}

function view(name) {
  body.dataset.view = name;
  $("signed-in").hidden = name !== "signed-in";
  $("signed-out").hidden = name !== "signed-out";
  $("sign-out").hidden = name !== "signed-in";
}

function live(state, text) {
  $("live").dataset.state = state;
  write($("live").querySelector("span"), text);
}

/** Say how much there may be, or nothing where nothing is limited. */
function bounds({ total, per_user, types, memory }) {
  const said = Object.entries(types).map(([kind, most]) => `${most} ${kind}`);
  if (total) said.unshift(plural(total, "sandbox").replace("xs", "xes"));
  if (per_user) said.push(`${per_user} of one user`);
  if (memory) said.push(`${Number((memory / 2 ** 30).toFixed(1))} GiB of memory`);
  return said.length ? `at most ${said.join(", ")}` : "";
}

/** Say who waits for room at this manager; each has a line of its own. */
function waiting({ waiting: calls, longest }) {
  if (!calls) return "";
  return `${plural(calls, "call")} waiting for room here, the longest for ${Math.round(longest)} s`;
}

function show(report, { leases }) {
  view("signed-in");
  const pools = Object.entries(report.types);
  arrange($("pools"), pools, ([kind]) => kind, "pool-card", showPool);
  $("no-pools").hidden = pools.length > 0;
  write($("limit"), bounds(report.limits));
  write($("queue"), waiting(report.queue));
  arrange($("leases"), leases, (lease) => JSON.stringify([lease.user_id, lease.session_id]), "lease-card", showLease);
  $("no-leases").hidden = leases.length > 0;
  const resting = leases.filter(({ sandboxes }) => sandboxes.every(({ state }) => state === "suspended")).length;
  const sessions = leases.length ? plural(leases.length, "session") : "";
  write($("count"), resting ? `${sessions}, ${resting} suspended` : sessions);
  document.title = leases.length ? `Sandboxes (${leases.length})` : "Sandboxes";
}

let timer;
let running = null;

/** Ask and show; when something asks meanwhile, it joins. */
function refresh() {
  clearTimeout(timer);
  running ??= ask().finally(() => {
    running = null;
    if (document.visibilityState === "visible" && body.dataset.view !== "signed-out") {
      timer = setTimeout(refresh, EVERY);
    }
  });
  return running;
}

async function ask() {
  try {
    const [report, leases] = await Promise.all([call("GET", "v1/pool"), call("GET", "v1/leases")]);
    show(report, leases);
    live("live", "live");
    if (!told) clearTrouble();
  } catch (error) {
    if (error instanceof SignedOut) {
      if (body.dataset.view === "signed-in") $("sign-in-why").textContent = "Your sign-in has ended. Sign in again.";
      view("signed-out");
      clearTrouble();
      return;
    }
    live("lost", "not connected");
    $("trouble").hidden = false;
    write($("trouble"), error.message);
  }
}

async function signIn(content) {
  const wrong = $("wrong");
  wrong.hidden = true;
  try {
    await call("POST", "session", content);
  } catch (error) {
    view("signed-out");
    wrong.hidden = false;
    wrong.textContent = error.message;
    return;
  }
  $("key").value = "";
  view("loading");
  await refresh();
}

function snippet() {
  const base = location.href.split(/[?#]/)[0].replace(/\/$/, "");
  return [
    "from agentscope_runtime.sandbox import BrowserSandbox",
    "",
    `with BrowserSandbox(base_url="${base}") as box:`,
    '    box.browser_navigate("https://example.com")',
    '    input("Look at the status page, then press Enter")',
  ].join("\n");
}

$("snippet").textContent = snippet();
$("copy").onclick = async () => {
  await navigator.clipboard.writeText(snippet()).catch(() => tell("The browser does not allow copying here."));
  write($("copy"), "Copied");
  setTimeout(() => write($("copy"), "Copy"), 1500);
};
$("sign-in").onsubmit = (event) => {
  event.preventDefault();
  if ($("key").value.trim()) signIn({ key: $("key").value.trim() });
  else $("key").focus();
};
$("sign-out").onclick = async () => {
  await call("DELETE", "session").catch((error) => tell(error.message));
  $("sign-in-why").textContent = "You are signed out.";
  view("signed-out");
};
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && body.dataset.view !== "signed-out") refresh();
});

const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
if (ticket) {
  // Out of the address bar and the history before anything else.
  history.replaceState(null, "", location.pathname);
  signIn({ ticket });
} else {
  refresh();
}
