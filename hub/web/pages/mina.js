"use strict";
// An open page follows what happens: each word from the stream has it fetch itself and put
// what is new in the place of what was. So does the clock, since some words hang on it. What
// is on the page is always what the server said last, so nothing is missed or shown twice,
// however the way there broke. A page that nobody sees waits until it is seen. Thousands may
// be open when the way breaks, so they do not all look at once when it is whole again.
const everySeconds = 60;
const spreadSeconds = 5;
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

// shown is what came last. What stands on the page may have been changed, by a translator
// in the browser for one.
let shown = live().innerHTML;

function put(fresh) {
  if (fresh.innerHTML === shown) return;
  shown = fresh.innerHTML;
  const old = live();
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(document.adoptNode(fresh));
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

function lookIfSeen() {
  if (!document.hidden) look();
}

// soon looks when the words that come together have all come.
let waiting = 0;
function soon() {
  if (!waiting) waiting = setTimeout(() => { waiting = 0; lookIfSeen(); }, 150);
}

// inAWhile gives a time of its own to each page, in milliseconds.
const inAWhile = () => Math.random() * spreadSeconds * 1000;

// leave tells who is logged in no longer, and asks no more. What stood here is no longer for
// whoever sits there now.
function leave() {
  stopped = true;
  stream?.close();
  live().replaceChildren();
  document.title = line.dataset.out;
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
  stream.onopen = () => setTimeout(lookIfSeen, inAWhile());
  stream.onerror = () => {
    setTimeout(look, inAWhile()); // it says whether all is lost, or only the stream, or the login
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, everySeconds * 1000 + inAWhile());
  };
}

if (live().dataset.follow) {
  listen();
  setInterval(lookIfSeen, everySeconds * 1000);
  document.addEventListener("visibilitychange", lookIfSeen);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (e) => { if (e.persisted) { listen(); look(); } });
}
