
"use strict";
const view = document.getElementById("case");
const news = document.getElementById("news");
const line = document.getElementById("line");
const stream = new EventSource(location.pathname + "/events");
stream.addEventListener("case", (e) => {
  const typed = [...view.querySelectorAll("input[id], textarea[id]")].map((f) => [f.id, f.value, f.checked]);
  const open = [...view.querySelectorAll("details[open]")].map((d) => d.id);
  const focused = view.contains(document.activeElement) ? document.activeElement.id : "";
  view.innerHTML = e.data;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, value, checked] of typed) {
    const field = document.getElementById(id);
    if (field) { field.value = value; field.checked = checked; }
  }
  if (focused) document.getElementById(focused)?.focus();
  const said = view.firstElementChild.dataset.news;
  if (news.textContent !== said) news.textContent = said;
  line.textContent = "Sidan följer ärendet direkt.";
});
stream.onerror = () => { line.textContent = "Förbindelsen är bruten. Sidan försöker igen."; };
