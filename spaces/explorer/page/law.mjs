// The law of expressions in the page: what `eisv_lumen.expression.law` computes, so that the
// words follow a slider without asking the server. A test holds the two to each other.
//
// Expressions stand in the package's order: 15 single words, 225 ordered pairs, and 2,730 triples
// of distinct words. A law is the vector of their 2,970 probabilities.

export const N = 15;
const PAIRS = N * N;
const TRIPLES = [];
for (let a = 0; a < N; a++)
  for (let b = 0; b < N; b++)
    for (let c = 0; c < N; c++) if (a !== b && b !== c && a !== c) TRIPLES.push([a, b, c]);
export const SIZE = N + PAIRS + TRIPLES.length;

/** Words of the expression at a place, as their numbers. */
export function expression(i) {
  if (i < N) return [i];
  if (i < N + PAIRS) return [Math.floor((i - N) / N), (i - N) % N];
  return TRIPLES[i - N - PAIRS];
}

/** The voice's law before any feedback: fitting words weigh 3, the others 1. */
export function initialLaw(affine, patterns, inquiry) {
  const [single, pair, triple, repetition, question] = patterns;
  const w = Array.from({ length: N }, (_, i) => (affine.includes(i) ? 3 : 1));
  const total = w.reduce((sum, x) => sum + x, 0);
  const law = new Float64Array(SIZE);
  for (let a = 0; a < N; a++) law[a] = (single * w[a]) / total;
  for (let a = 0; a < N; a++)
    for (let b = 0; b < N; b++) {
      const first = w[a] / total;
      const two = a === b ? repetition * first : (pair * first * w[b]) / (total - w[a]);
      law[N + a * N + b] = two + (inquiry.includes(b) ? (question * first) / inquiry.length : 0);
    }
  TRIPLES.forEach(([a, b, c], k) => {
    law[N + PAIRS + k] =
      (((triple * w[a]) / total) * w[b] * w[c]) / (total - w[a]) / (total - w[a] - w[b]);
  });
  return law;
}

/** Decode one step: temper its probabilities, then cut what lies outside the nucleus. */
function decode(p, T, topP) {
  let peak = 0;
  for (const x of p) if (x > peak) peak = x;
  const q = new Float64Array(p.length);
  if (peak === 0) return q;
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    // Greedy decoding shares ties; rounding must not break them.
    if (T === 0) q[i] = p[i] >= peak * (1 - 1e-12) ? 1 : 0;
    else q[i] = p[i] > 0 ? Math.exp((Math.log(p[i]) - Math.log(peak)) / T) : 0;
    sum += q[i];
  }
  for (let i = 0; i < q.length; i++) q[i] /= sum;
  if (T === 0 || topP >= 1) return q;
  const order = Array.from(q.keys()).sort((i, j) => q[i] - q[j]);
  let below = 0;
  let kept = 1;
  for (const i of order.slice(0, -1)) {
    below += q[i];
    if (below > 1 - topP) break;
    kept -= q[i];
    q[i] = 0;
  }
  for (let i = 0; i < q.length; i++) q[i] /= kept;
  return q;
}

/**
 * The law of a speaker decoded word by word at a temperature, and with a nucleus where topP < 1.
 * A step has at most 16 ways on, so that a top-k of 20 cuts nothing.
 */
export function tempered(law, T, topP = 1) {
  if (T === 1 && topP >= 1) return law;
  const second = Array.from({ length: N }, () => new Float64Array(N + 1));
  const third = Array.from({ length: PAIRS }, () => new Float64Array(N + 1));
  TRIPLES.forEach(([a, b, c], k) => (third[a * N + b][c] = law[N + PAIRS + k]));
  const first = new Float64Array(N);
  for (let a = 0; a < N; a++) {
    for (let b = 0; b < N; b++) {
      const row = third[a * N + b];
      row[N] = law[N + a * N + b];
      for (const x of row) second[a][b] += x;
    }
    second[a][N] = law[a];
    for (const x of second[a]) first[a] += x;
  }
  const p = decode(first, T, topP);
  const q = second.map((row) => decode(row, T, topP));
  const r = third.map((row) => decode(row, T, topP));
  const out = new Float64Array(SIZE);
  for (let a = 0; a < N; a++) {
    out[a] = p[a] * q[a][N];
    for (let b = 0; b < N; b++) out[N + a * N + b] = p[a] * q[a][b] * r[a * N + b][N];
  }
  TRIPLES.forEach(([a, b, c], k) => (out[N + PAIRS + k] = p[a] * q[a][b] * r[a * N + b][c]));
  return out;
}

/** Each word's share of all words spoken. */
export function wordShares(law) {
  const share = new Float64Array(N);
  let sum = 0;
  for (let i = 0; i < SIZE; i++)
    for (const word of expression(i)) {
      share[word] += law[i];
      sum += law[i];
    }
  return share.map((x) => x / sum);
}

/** Mean coherence: the share of an expression's words that fit; what is missing of 1 counts 0. */
export function coherence(law, affine) {
  const fits = Array.from({ length: N }, (_, i) => affine.includes(i));
  let sum = 0;
  for (let i = 0; i < SIZE; i++) {
    const words = expression(i);
    sum += (law[i] * words.filter((w) => fits[w]).length) / words.length;
  }
  return sum;
}

/** KL(law ‖ other) in nats: the excess nats of a speaker with the law `other`. */
export function excessNats(law, other) {
  let sum = 0;
  for (let i = 0; i < SIZE; i++) if (law[i] > 0) sum += law[i] * Math.log(law[i] / other[i]);
  return sum;
}

/** A law as it travels: 2,970 log-probabilities in 16 bits each, from 0 down to −24. */
export function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const codes = new DataView(bytes.buffer);
  const law = new Float64Array(SIZE);
  for (let i = 0; i < SIZE; i++) {
    const code = codes.getUint16(2 * i, true);
    law[i] = code === 65535 ? 0 : Math.exp((-24 * code) / 65534);
  }
  return law;
}
