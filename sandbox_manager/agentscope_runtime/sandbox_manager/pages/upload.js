// Uploads files to where this page's own address leads: to one file, or, where the address ends with a slash, into a
// folder under their own names. What the files are called is only ever set as text.

const $ = (id) => document.getElementById(id);
const intoFolder = location.pathname.endsWith("/");
const UNITS = ["B", "kB", "MB", "GB", "TB"];

function size(bytes) {
  const step = bytes ? Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3)) : 0;
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${UNITS[step]}`;
}

function row(file) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  const said = document.createElement("span");
  const bar = document.createElement("progress");
  name.textContent = file.name;
  said.textContent = size(file.size);
  bar.max = 1;
  bar.value = 0;
  item.append(name, said, bar);
  $("list").prepend(item);
  return { item, said, bar };
}

function reason(call) {
  try {
    return JSON.parse(call.responseText).detail;
  } catch {
    return call.status ? `The manager answered with HTTP ${call.status}.` : "The connection was lost.";
  }
}

/** Upload one file; resolves when it is there or has failed, which its row says. */
function upload(file) {
  const { item, said, bar } = row(file);
  return new Promise((resolve) => {
    const call = new XMLHttpRequest(); // fetch tells nothing of the progress of uploads
    call.upload.onprogress = ({ loaded }) => {
      bar.value = file.size ? loaded / file.size : 1;
      said.textContent = `${size(loaded)} of ${size(file.size)}`;
    };
    call.onloadend = () => {
      const done = call.status === 200;
      item.className = done ? "done" : "failed";
      bar.hidden = true;
      said.textContent = done ? `Uploaded, ${size(file.size)}` : reason(call);
      resolve();
    };
    call.open("PUT", intoFolder ? location.pathname + encodeURIComponent(file.name) : location.pathname);
    call.setRequestHeader("Content-Type", "application/octet-stream");
    call.send(file);
  });
}

async function uploadAll(files) {
  for (const file of intoFolder ? files : [...files].slice(0, 1)) await upload(file);
}

const target = decodeURIComponent(location.pathname.split("/").pop());
$("what").textContent = intoFolder
  ? "The files keep their names."
  : `The file will be called “${target}” there, whatever it is called here. One that is there is replaced.`;
$("files").multiple = intoFolder;
$("hint").textContent = intoFolder ? "or drop files here" : "or drop it here";
document.title = intoFolder ? "Upload files" : `Upload ${target}`;

$("files").addEventListener("change", async (event) => {
  await uploadAll([...event.target.files]);
  event.target.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") uploadAll([...event.dataTransfer.files]);
  });
}
