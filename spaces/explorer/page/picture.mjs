// The first screen: pick a window, slide the temperature, and see words and score move.
//
// Every element `.picture` becomes one such picture; all of them, in the first tab and in the
// posts, show one state, which stands in the page's address (`?shape=…&T=0.3&nucleus=1`).
import { coherence, excessNats, initialLaw, tempered, unpack, wordShares } from "./law.mjs";
import { onState, setState, state } from "./state.mjs";

const DATA = JSON.parse(document.getElementById("picture-data").textContent);
const { tokens, dimensions, study, cut } = DATA;
const shapes = new Map(DATA.shapes.map((s) => [s.id, s]));
const windows = new Map(DATA.windows.map((w) => [w.shape, w]));
const plain = (name) => name.replaceAll("_", " ");
const text = (s) => s.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/* who speaks: the law itself, and each model whose laws have arrived from the server */
const LAW = { id: "law", name: "The law", about: "perfect imitation: the voice’s own distribution" };
const speakers = [LAW];
for (const s of shapes.values()) s.law = initialLaw(s.affine, s.patterns, DATA.inquiry);
const lawOf = (who, shape) => (who.id === "law" ? shapes.get(shape).law : who.laws.get(shape));
const speaker = () => speakers.find((s) => s.id === state.who) ?? LAW;

const decoded = new Map(); // a slider comes back to where it was
function at(who, shape) {
  const key = `${who.id} ${shape} ${state.T} ${state.nucleus}`;
  if (!decoded.has(key)) {
    if (decoded.size > 2000) decoded.clear();
    const law = tempered(lawOf(who, shape), state.T, state.nucleus ? cut.top_p : 1);
    decoded.set(key, { law, share: wordShares(law), score: coherence(law, shapes.get(shape).affine) });
  }
  return decoded.get(key);
}
const overAll = (who) => {
  const scores = [...shapes.keys()].map((shape) => at(who, shape).score);
  return scores.reduce((sum, x) => sum + x, 0) / scores.length;
};

/* drawings */
const line = (t, x, width, height, top) => {
  const span = t[t.length - 1] - t[0] || 1;
  return x
    .map((v, i) => {
      const px = ((t[i] - t[0]) / span) * width;
      return `${i ? "L" : "M"}${px.toFixed(1)} ${(height - (v / top) * height).toFixed(1)}`;
    })
    .join("");
};
function drawing(w, width, height, label) {
  const paths = dimensions.map((d, j) => {
    const path = line(w.t, w.X[j], width, height, 1);
    return `<path d="${path}" style="stroke:var(--dim-${d.id})"/>`;
  });
  return (
    `<svg viewBox="-2 -3 ${width + 4} ${height + 6}" preserveAspectRatio="none" role="img" ` +
    `aria-label="${text(label)}">${paths.join("")}</svg>`
  );
}
const inWords = (w) =>
  dimensions
    .map((d, j) => `${d.name} from ${w.X[j][0].toFixed(2)} to ${w.X[j].at(-1).toFixed(2)}`)
    .join(", ");

function card(shape) {
  const w = windows.get(shape);
  return (
    `<button type="button" class="pick" data-shape="${shape}" title="${text(shapes.get(shape).means)}">` +
    `${drawing(w, 100, 34, plain(shape))}<span>${plain(shape)}</span></button>`
  );
}

function word(i, fits) {
  return (
    `<li class="${fits ? "fits" : ""}" data-word="${i}"><b>${plain(tokens[i])}</b>` +
    `<i class="fill"></i><i class="tick" data-at="0"></i><i class="tick" data-at="1"></i>` +
    `<span></span></li>`
  );
}

const MARKUP = `
<div class="picks" role="group" aria-label="Nine windows, one of each shape"></div>
<div class="chosen"><div class="said-of"></div></div>
<div class="spoken" role="group" aria-label="Share of each word in what is said">
  <h2>What is said of it</h2>
  <ul class="words fitting"></ul><ul class="words others"></ul>
</div>
<div class="controls">
  <label class="heat"><span>Temperature <output></output></span>
    <input type="range" min="0" max="1.2" step="0.05" aria-label="Decoding temperature"></label>
  <label class="switch"><input type="checkbox" role="switch"> <span>nucleus <small>top-p ${cut.top_p}</small></span></label>
  <div class="who" role="radiogroup" aria-label="Who speaks"></div>
</div>
<div class="gauge"><div class="track"><i class="floor"></i><i class="filled"></i>
  <i class="mark study"></i><i class="mark best"></i><i class="mark you"></i></div>
  <p class="reading" aria-live="polite"></p></div>`;

function build(root) {
  root.innerHTML = MARKUP;
  root.querySelector(".picks").innerHTML = [...shapes.keys()].map(card).join("");
  root.addEventListener("click", (event) => {
    const pick = event.target.closest(".pick");
    if (pick) setState({ shape: pick.dataset.shape }, true);
    const who = event.target.closest("[data-who]");
    if (who) setState({ who: who.dataset.who }, true);
  });
  const heat = root.querySelector(".heat input");
  heat.addEventListener("input", () => setState({ T: Number(heat.value) }, false));
  heat.addEventListener("change", () => setState({ T: Number(heat.value) }, true));
  const nucleus = root.querySelector(".switch input");
  nucleus.addEventListener("change", () => setState({ nucleus: nucleus.checked }, true));
  const marks = [["floor", DATA.floor], ["study", study.value]];
  for (const [name, x] of marks) root.querySelector(`.track .${name}`).style.left = `${100 * x}%`;
  root.shown = {};
}

function show(root) {
  const { shape, T, nucleus } = state;
  const s = shapes.get(shape);
  const w = windows.get(shape);
  const who = speaker();
  if (root.shown.shape !== shape || root.shown.source !== w.source) showWindow(root, s, w);
  if (root.shown.speakers !== speakers.length) {
    root.querySelector(".who").innerHTML = speakers
      .map((x) => `<button type="button" role="radio" data-who="${x.id}" title="${text(x.about)}">${text(x.name)}</button>`)
      .join("");
  }
  root.shown = { shape, source: w.source, speakers: speakers.length };
  for (const button of root.querySelectorAll("[data-who]"))
    button.setAttribute("aria-checked", String(button.dataset.who === who.id));
  root.querySelector(".heat input").value = T;
  root.querySelector(".heat output").textContent = T === 0 ? "0 (greedy)" : T.toFixed(2);
  root.querySelector(".switch input").checked = nucleus;

  const { share } = at(who, shape);
  const others = speakers.filter((x) => x !== who).map((x) => at(x, shape).share);
  for (const li of root.querySelectorAll("[data-word]")) {
    const i = Number(li.dataset.word);
    const wide = (x) => `${Math.min(100, 100 * Math.sqrt(x / 0.6))}%`;
    li.style.setProperty("--p", share[i].toFixed(4));
    li.querySelector(".fill").style.width = wide(share[i]);
    li.querySelector("span").textContent = share[i] < 0.0005 ? "–" : `${(100 * share[i]).toFixed(share[i] < 0.0995 ? 1 : 0)} %`;
    li.querySelectorAll(".tick").forEach((tick, k) => {
      tick.hidden = !others[k];
      if (others[k]) tick.style.left = wide(others[k][i]);
    });
  }
  showGauge(root, who, s);
}

function showWindow(root, s, w) {
  const rest = tokens.map((_, i) => i).filter((i) => !s.affine.includes(i));
  root.querySelector(".fitting").innerHTML = s.affine.map((i) => word(i, true)).join("");
  root.querySelector(".others").innerHTML = rest.map((i) => word(i, false)).join("");
  const seconds = w.t.at(-1) - w.t[0];
  const keys = dimensions
    .map((d) => `<span><i style="background:var(--dim-${d.id})"></i>${d.name}</span>`)
    .join("");
  root.querySelector(".said-of").innerHTML =
    `<h2><i class="dot" style="background:var(--${s.id})"></i>${plain(s.id)}</h2>` +
    `<p>${text(s.means)}</p>` +
    `<div class="plot">${drawing(w, 320, 130, `${plain(s.id)}: ${inWords(w)}`)}</div>` +
    `<div class="legend">${keys}</div>` +
    `<small>${w.t.length} states in ${seconds.toFixed(0)} s · ${text(w.source)}</small>`;
  for (const pick of root.querySelectorAll(".pick"))
    pick.setAttribute("aria-pressed", String(pick.dataset.shape === s.id));
}

function showGauge(root, who, s) {
  const you = overAll(who);
  const best = overAll(LAW);
  root.querySelector(".filled").style.width = `${100 * you}%`;
  root.querySelector(".you").style.left = `${100 * you}%`;
  root.querySelector(".best").style.left = `${100 * best}%`;
  root.querySelector(".best").hidden = who === LAW;
  const fixed = (x) => x.toFixed(3);
  const kl = excessNats(s.law, lawOf(who, s.id));
  const here = at(who, s.id).score;
  root.querySelector(".reading").innerHTML =
    `<span><b class="score">${fixed(you)}</b> coherence over the nine windows; this one ${fixed(here)}. ` +
    `Random words <b>${fixed(DATA.floor)}</b> · perfect imitation at these settings <b>${fixed(best)}</b> · ` +
    `<em>◆ ${study.name}: <b>${fixed(study.value)}</b></em></span>` +
    `<span class="learned">Learned by sliding: <b>nothing</b>. ` +
    (who === LAW
      ? "The law is the same at every temperature; only the dice change."
      : `The weights are the same; at T = 1 they stand <b>${fixed(kl)}</b> nats from the law (KL), wherever the slider is.`) +
    `</span>`;
}

/* mount every picture that is there or comes later, and follow the state */
const roots = new Set();
function mount() {
  for (const root of document.querySelectorAll(".picture:not([data-on])")) {
    root.dataset.on = "";
    build(root);
    roots.add(root);
    show(root);
  }
  for (const root of roots) if (!root.isConnected) roots.delete(root);
}
let asked = 0;
function draw() {
  asked = 0;
  for (const root of roots) show(root);
}
onState(() => (asked ||= requestAnimationFrame(draw)));
new MutationObserver(mount).observe(document.documentElement, { childList: true, subtree: true });
mount();

/* the models' laws, and Lumen's own windows, come from this Space's server once the page stands */
async function call(name) {
  const base = new URL(`gradio_api/call/${name}`, location.href.split(/[?#]/)[0]);
  const begun = await fetch(base, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: '{"data": []}',
  });
  const { event_id } = await begun.json();
  const stream = await (await fetch(`${base}/${event_id}`)).text();
  const found = /event: complete\ndata: (.*)/.exec(stream);
  return found ? JSON.parse(found[1])[0] : null;
}

async function fetchWindows() {
  const found = (await call("picture")) ?? { windows: [], speakers: [] };
  for (const w of found.windows) windows.set(w.shape, w);
  for (const s of found.speakers) {
    const laws = new Map(Object.entries(s.laws).map(([shape, law]) => [shape, unpack(law)]));
    if ([...shapes.keys()].every((shape) => laws.has(shape))) speakers.push({ ...s, laws });
  }
  for (const root of roots) {
    for (const w of found.windows) {
      const old = root.querySelector(`.pick[data-shape="${w.shape}"]`);
      old.outerHTML = card(w.shape);
    }
    root.shown = {};
  }
  draw();
}
const soon = window.requestIdleCallback ?? ((f) => setTimeout(f, 500));
const idle = () => soon(() => fetchWindows().catch((error) => console.warn(`models: ${error}`)));
if (document.readyState === "complete") setTimeout(idle, 300);
else addEventListener("load", () => setTimeout(idle, 300));
