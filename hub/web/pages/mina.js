"use strict";
// An open page follows what happens: each word from the stream, and the clock, has it fetch
// itself and put what is new in the place of what was. What is on the page is always what
// the server said last, so nothing is missed or shown twice, however the way there broke.
const everySeconds = 20;
const line = document.getElementById("line");
const news = document.getElementById("news");
const live = () => document.getElementById("live");

const print = document.querySelector("[data-print]");
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}

// told are the news that have been on the page, so that each is told once.
const told = new Set([...document.querySelectorAll("[data-key]")].map((e) => e.dataset.key));

function put(fresh) {
  const old = live();
  if (fresh.innerHTML === old.innerHTML) return;
  const open = [...old.querySelectorAll("details[open][id]")].map((d) => d.id);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(document.adoptNode(fresh));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const heard = [];
  for (const e of fresh.querySelectorAll("[data-key]")) {
    if (!told.has(e.dataset.key)) {
      told.add(e.dataset.key);
      heard.push(e.dataset.news);
    }
  }
  if (heard.length) news.textContent = heard.join(" ");
}

function say(text, broken) {
  line.classList.toggle("broken", broken);
  if (line.textContent !== text) line.textContent = text;
}

let stopped = false;
let busy = false;
let again = false;

async function look() {
  if (stopped) return;
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual", signal: AbortSignal.timeout(15000) });
    if (answer.type === "opaqueredirect" || answer.status === 401) { leave(); return; }
    if (!answer.ok) throw new Error();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (!fresh) throw new Error();
    put(fresh);
    say(line.dataset.live, false);
  } catch {
    say(line.dataset.broken, true);
  } finally {
    busy = false;
    if (again) { again = false; soon(); }
  }
}

// soon looks when the words that come together have all come.
let waiting = 0;
function soon() {
  if (!waiting) waiting = setTimeout(() => { waiting = 0; look(); }, 150);
}

// leave tells who is logged in no longer, and asks no more.
function leave() {
  stopped = true;
  stream?.close();
  line.classList.add("broken");
  const link = document.createElement("a");
  link.href = "/login?to=" + encodeURIComponent(location.pathname);
  link.textContent = line.dataset.again;
  line.replaceChildren(line.dataset.out + " ", link);
  news.textContent = line.dataset.out;
}

let stream;
function listen() {
  if (stopped) return;
  stream = new EventSource("/v1/me/events");
  for (const kind of ["status", "resync"]) stream.addEventListener(kind, soon);
  stream.onopen = soon;
  stream.onerror = () => {
    soon(); // it says whether all is lost, or only the stream
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, everySeconds * 1000);
  };
}

if (live().dataset.follow) {
  listen();
  setInterval(look, everySeconds * 1000);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (e) => { if (e.persisted) { listen(); look(); } });
}
