// Brings the page up to date when something has happened, once a second at most. Without
// scripts the page is the same, and does not move.
(() => {
  const stream = document.body.dataset.live;
  if (!stream || !window.EventSource) return;
  const link = document.getElementById("link");
  let due = false, busy = false;
  const update = async () => {
    if (!due || busy || document.activeElement?.closest("form")) return;
    due = false;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focused = document.activeElement?.getAttribute("href");
      for (const id of ["main", "header .state", "header time"]) {
        document.querySelector(id).replaceWith(page.querySelector(id));
      }
      if (focused) document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus();
      link.textContent = "";
    } catch {
      due = true;
      link.textContent = "not up to date";
    }
    busy = false;
  };
  const events = new EventSource(stream);
  const happened = () => { due = true; };
  for (const name of ["step", "message", "carrier", "peer", "missed", "idle"]) events.addEventListener(name, happened);
  events.onerror = () => { link.textContent = "not up to date"; };
  setInterval(update, 1000);
})();
