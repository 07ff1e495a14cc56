// Strict JSON, Ed25519 keys and DSSE envelopes, as docs/spec/release.md says. Node's own modules only.
import crypto from "node:crypto";

export class Refused extends Error {
  constructor(step, why) {
    super(why);
    this.step = step;
  }
}

export const refuse = (step, why) => {
  throw new Refused(step, why);
};

/** Run a check whose refusals all belong to one step. */
export const at = (step, work) => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused) throw new Refused(step, error.message);
    throw error;
  }
};

export const sha256 = (data) => crypto.createHash("sha256").update(data).digest();
export const hex = (data) => Buffer.from(data).toString("hex");

// --- strict JSON ---

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const byCodePoint = (left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)); // the order of UTF-8 bytes is that of code points

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export function canonical(value, depth = 12) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) refuse("json", "not an integer of at most 2^53-1");
    return String(value);
  }
  if (typeof value === "string") {
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value)) refuse("json", "a lone surrogate");
    return JSON.stringify(value);
  }
  if (depth === 0) refuse("json", "nested too deeply");
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth - 1)).join(",")}]`;
  const keys = Object.keys(value).sort(byCodePoint);
  return `{${keys.map((key) => `${canonical(key)}:${canonical(value[key], depth - 1)}`).join(",")}}`;
}

/** Bytes of one canonical document -> its value. What is read must write itself again, byte for byte. */
export function parse(data, { maxBytes = 1 << 20, depth = 12 } = {}) {
  if (data.length > maxBytes) refuse("json", "too many bytes");
  if (data[0] !== 0x7b) refuse("json", "no object at the top");
  let value;
  let text;
  try {
    text = utf8.decode(data);
    value = JSON.parse(text);
  } catch {
    refuse("json", "no UTF-8, or no JSON");
  }
  if (canonical(value, depth) !== text) refuse("json", "not canonical");
  return value;
}

export function base64(text) {
  if (typeof text !== "string") refuse("json", "base64 is a text");
  const data = Buffer.from(text, "base64");
  if (data.toString("base64") !== text) refuse("json", "base64 in another spelling");
  return data;
}

// --- shapes: a function that refuses what does not fit ---

export const text = (pattern, longest = 1000) => (value) => {
  if (typeof value !== "string" || [...value].length > longest || (pattern && !pattern.test(value))) refuse("json", "a text does not fit");
};
export const whole = (least, most) => (value) => {
  if (!Number.isSafeInteger(value) || value < least || value > most) refuse("json", "an integer is out of bounds");
};
export const word = (...words) => (value) => {
  if (!words.includes(value)) refuse("json", "not one of the words");
};
export const list = (item, most, least = 0, distinct = false) => (value) => {
  if (!Array.isArray(value) || value.length < least || value.length > most) refuse("json", "a list does not fit");
  value.forEach(item);
  if (distinct && new Set(value).size !== value.length) refuse("json", "an entry stands twice");
};
export const map = (key, item, most, least = 0) => (value) => {
  if (!isObject(value)) refuse("json", "not an object");
  const entries = Object.entries(value);
  if (entries.length < least || entries.length > most) refuse("json", "too many or too few entries");
  for (const [name, inner] of entries) {
    key(name);
    item(inner);
  }
};
export const record = (required, optional = {}) => (value) => {
  if (!isObject(value)) refuse("json", "not an object");
  for (const name of Object.keys(required)) if (!Object.hasOwn(value, name)) refuse("json", `${name} is missing`);
  for (const [name, inner] of Object.entries(value)) {
    const shape = Object.hasOwn(required, name) ? required[name] : Object.hasOwn(optional, name) ? optional[name] : null;
    if (!shape) refuse("json", `${name} is not a field`);
    shape(inner);
  }
};

// --- keys ---

const P = 2n ** 255n - 19n;
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL = new Set([0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y]);

/** The 32 bytes of a public key -> a key, or a refusal of what OpenSSL would take. */
export function loadKey(raw) {
  if (raw.length !== 32) refuse("key", "32 bytes");
  const y = BigInt(`0x${hex(Buffer.from(raw).reverse())}`) & (2n ** 255n - 1n);
  if (y >= P) refuse("key", "not canonical");
  if (SMALL.has(y)) refuse("key", "a point of small order");
  return { raw: Buffer.from(raw), id: hex(sha256(raw)) };
}

export function verifies(key, signature, message) {
  try {
    const jwk = { kty: "OKP", crv: "Ed25519", x: key.raw.toString("base64url") };
    return signature.length === 64 && crypto.verify(null, message, crypto.createPublicKey({ key: jwk, format: "jwk" }), signature);
  } catch {
    return false; // bytes that are no point of the curve
  }
}

// --- envelopes ---

export const pae = (type, payload) => Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload]);

const withoutLineBreak = (data) => (data.at(-1) === 0x0a ? data.subarray(0, -1) : data);

export const readFile = (data, maxBytes) => parse(withoutLineBreak(data), { maxBytes });

const ENVELOPE = record({
  payload: text(null, Infinity),
  payloadType: text(null, Infinity),
  signatures: list(record({ keyid: text(/^[0-9a-f]{64}$/), sig: text() }), 16, 1),
});

export function envelopeOf(value) {
  ENVELOPE(value);
  const signatures = value.signatures.map((row) => [row.keyid, base64(row.sig)]);
  if (signatures.some(([, signature]) => signature.length !== 64)) refuse("json", "a signature has 64 bytes");
  if (new Set(signatures.map(([id]) => id)).size !== signatures.length) refuse("json", "a key id signs twice");
  return { type: value.payloadType, payload: base64(value.payload), signatures };
}

export const readEnvelope = (data) => envelopeOf(readFile(data, 64 * 1024));

/** Type and signatures, counted by distinct key; gives the payload. */
export function verify(envelope, type, keys, threshold) {
  if (envelope.type !== type) refuse("signatures", "another type");
  const wanted = new Map(keys.map((key) => [key.id, key]));
  const signed = new Set();
  for (const [id, signature] of envelope.signatures) {
    const key = wanted.get(id);
    if (!key) continue;
    if (!verifies(key, signature, pae(envelope.type, envelope.payload))) refuse("signatures", "a signature is wrong");
    signed.add(hex(key.raw));
  }
  if (signed.size < threshold) refuse("signatures", "too few distinct keys");
  return envelope.payload;
}
