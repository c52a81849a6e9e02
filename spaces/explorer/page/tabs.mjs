// Tabs, links and reports follow the state, and the state follows what is clicked.
import { onState, read, setState, state } from "./state.mjs";

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const button = (tab) => document.getElementById(`tab-${tab}-button`);
const scroll = (element) =>
  element?.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });

function follow() {
  const wanted = button(state.tab);
  if (wanted && wanted.getAttribute("aria-selected") !== "true") wanted.click();
}
onState(follow);

/** Wait for what a tab brings, and scroll to it. */
function goTo(selector, patience = 60) {
  const found = [...document.querySelectorAll(selector)].find((e) => e.offsetParent);
  if (found) scroll(found);
  else if (patience) setTimeout(() => goTo(selector, patience - 1), 100);
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest('button[role="tab"]')?.id.match(/^tab-(\w+)-button$/);
  if (tab && event.isTrusted && tab[1] !== state.tab) return setState({ tab: tab[1], report: "" }, true);
  const link = event.target.closest("a[href]");
  const href = link?.getAttribute("href") ?? "";
  if (href.startsWith("#") && document.getElementById(href.slice(1))) {
    event.preventDefault();
    return scroll(document.getElementById(href.slice(1)));
  }
  if (!href.startsWith("?")) return undefined;
  event.preventDefault();
  const wanted = read(href);
  const post = link.closest(".post");
  const here = post?.querySelector(".picture");
  if (wanted.tab === "words" && here) {
    setState({ ...wanted, tab: state.tab, who: state.who }, true); // the picture in the text shows it
    return scroll(here);
  }
  setState({ ...wanted, who: state.who }, true);
  return goTo(wanted.report ? "#report-page" : `#tab-${wanted.tab}`);
});

/* a click in the series, or in its strip of shapes, moves the window there */
document.addEventListener("click", (event) => {
  const drawing = event.target.closest("#overview svg.wide, #strip svg.strip");
  const field = document.querySelector('#position input[type="number"]');
  if (!drawing || !field) return;
  const box = drawing.getBoundingClientRect();
  const most = Number(document.querySelector('#position input[type="range"]').max);
  field.value = Math.round(((event.clientX - box.left) / box.width) * most);
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

/* gradio names this button otherwise than it reads, which puzzles who speaks to a page */
const naming = new MutationObserver(() => {
  for (const named of document.querySelectorAll(".upload-container[aria-label]"))
    named.removeAttribute("aria-label");
});
naming.observe(document.documentElement, { childList: true, subtree: true });

/* the page may stand before or after Gradio has drawn its tabs */
const watch = new MutationObserver(() => {
  if (!button("words")) return;
  watch.disconnect();
  setTimeout(() => {
    follow();
    if (state.report) goTo("#report-page");
    else if (location.hash && !button(location.hash.slice(1))) goTo(location.hash.replace(/[^#\w-]/g, ""));
  }, 50);
});
watch.observe(document.documentElement, { childList: true, subtree: true });
