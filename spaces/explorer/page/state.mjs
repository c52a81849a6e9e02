// What the page shows, as it stands in its address: the tab, and what the pictures are set to.
//
// A link `?tab=results&report=published/v5` or `?shape=void_rising&T=0.3&nucleus=1` sets it, Back
// and Forward go through what was shown, and huggingface.co is told, so that its address follows.

const FIRST = { tab: "words", shape: "settled_presence", T: 1, nucleus: false, who: "law", report: "" };
const SHAPES = JSON.parse(document.getElementById("picture-data").textContent).shapes.map((s) => s.id);
const TABS = ["words", "trajectory", "thermometer", "voice", "results", "post", "vectors"];
export const state = { ...FIRST };
const followers = [];
export const onState = (follower) => followers.push(follower);

/** Read an address's query; what is not in it, or makes no sense, is as at first. */
export function read(query) {
  const asked = new URLSearchParams(query);
  const T = Number(asked.get("T") ?? FIRST.T);
  const among = (list, name) => (list.includes(asked.get(name)) ? asked.get(name) : FIRST[name]);
  return {
    tab: among(TABS, "tab"),
    shape: among(SHAPES, "shape"),
    T: T >= 0 && T <= 1.2 ? Math.round(20 * T) / 20 : FIRST.T,
    nucleus: asked.get("nucleus") === "1",
    who: asked.get("who") ?? FIRST.who,
    report: asked.get("report") ?? FIRST.report,
  };
}

function query() {
  const parts = Object.entries(state)
    .filter(([name, value]) => value !== FIRST[name])
    .map(([name, value]) => `${name}=${value === true ? 1 : encodeURIComponent(value).replaceAll("%2F", "/")}`);
  return parts.length ? `?${parts.join("&")}` : "";
}

const told = () => followers.forEach((follower) => follower());

/** Change the state; `lasting` makes a step that Back goes back over. */
export function setState(change, lasting) {
  Object.assign(state, change);
  // While a slider is dragged nothing is written: browsers allow some 100 changes in half a minute.
  if (lasting) {
    const next = query();
    if (next !== location.search) history.pushState(null, "", `${location.pathname}${next}`);
    if (window.parent !== window)
      window.parent.postMessage({ queryString: next.slice(1) }, "https://huggingface.co");
  }
  told();
}

Object.assign(state, read(location.search));
if (TABS.includes(location.hash.slice(1))) state.tab = location.hash.slice(1); // links of old
addEventListener("popstate", () => {
  Object.assign(state, read(location.search));
  told();
});
