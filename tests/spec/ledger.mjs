// Records, segments, ledgers, notes and proofs, as docs/spec/ledger.md says. Node's own modules only.
import crypto from "node:crypto";
import { base64, canonical, envelopeOf, hex, isObject, list, loadKey, map, parse, record, refuse, Refused, sha256, text, verifies, verify, whole, word } from "./signing.mjs";

const LOG_KEY = "application/vnd.saferoute.log-key.v1+json";
const hmac = (key, data) => crypto.createHmac("sha256", key).update(data).digest();

export const leafHash = (line) => sha256(Buffer.concat([Buffer.from([0]), Buffer.from(line)]));
const node = (left, right) => sha256(Buffer.concat([Buffer.from([1]), left, right]));
export const salt = (secret, segment, seq, name) => hmac(secret, `saferoute salt v1|${segment}|${seq}|${name}`);
export const commitment = (key, content) => hex(hmac(key, content));
export const systemId = (secret, text) => hex(hmac(hmac(secret, "saferoute system prompt v1"), text));

// --- the tree of RFC 6962 ---

const split = (size) => 2 ** Math.floor(Math.log2(size - 1));

export function rootOf(leaves) {
  if (leaves.length === 0) return sha256("");
  if (leaves.length === 1) return leaves[0];
  const left = split(leaves.length);
  return node(rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

export function pathOf(leaves, index) {
  if (leaves.length <= 1) return [];
  const left = split(leaves.length);
  return index < left
    ? [...pathOf(leaves.slice(0, left), index), rootOf(leaves.slice(left))]
    : [...pathOf(leaves.slice(left), index - left), rootOf(leaves.slice(0, left))];
}

export function rootFrom(leaf, index, size, path) {
  if (index >= size) refuse("path", "no such leaf");
  if (size === 1) {
    if (path.length) refuse("path", "too long");
    return leaf;
  }
  if (!path.length) refuse("path", "too short");
  const [rest, beside, left] = [path.slice(0, -1), path[path.length - 1], split(size)];
  return index < left ? node(rootFrom(leaf, index, left, rest), beside) : node(beside, rootFrom(leaf, index - left, size - left, rest));
}

// --- the fields of each kind ---

const or = (shape) => (value) => value === null || shape(value);
const said = text(null, 500);
const count = whole(0, Number.MAX_SAFE_INTEGER);
const hex64 = text(/^[0-9a-f]{64}$/);
const hex32 = text(/^[0-9a-f]{32}$/);
const id = text(/^[0-9a-f]{32}:(0|[1-9][0-9]{0,15})$/);
const currency = text(/^[A-Z]{3}$/);
const flag = word(true, false);
const attempt = whole(1, Number.MAX_SAFE_INTEGER);
const bytes = (size) => (value) => {
  const found = base64(value).length;
  if (size !== undefined && found !== size) refuse("json", `not ${size} bytes`);
};
const commits = (...names) => record({}, Object.fromEntries(names.map((name) => [name, hex64])));
const link = record({ segment: hex32, size: attempt, hash: hex64, root: hex64 });
const every = { v: word(1), kind: said, seq: count, prev: hex64, time: count };
const verdict = record({ action: said, guard: said, path: said, reasons: list(said, 256), stage: said, version: said });
const call = { ...every, call: hex32, capabilities: list(hex64, 256), route: said, tags: map(text(/^[^]/, 128), said, 256), verdicts: list(verdict, 256) };
const asked = {
  data: or(word("public", "internal", "confidential", "restricted")), operation: said, purpose: or(said),
  rejected: list(list(said, 2, 2), 256), table: or(record({ name: said, sha256: hex64, trust: said, version: count })),
};

const KINDS = {
  segment: { segment: hex32, instance: hex32, key: bytes(32), certificate: or(envelopeOf), previous: or(link), software: said, ...every },
  intent: {
    ...call, ...asked, attempt, target: said, model: said, provider: said, origin: said, why: said, stream: flag,
    templates: list(record({ name: said, sha256: hex64 }), 256), secret: or(said), max_cost: or(record({ currency, nano: count })),
    commit: commits("asked", "request", "system"), system_id: or(hex64),
  },
  outcome: {
    ...call, intent: or(id), attempt, target: said, outcome: said, deny: or(said), status: or(count), requests: count, model: or(said),
    finish_reason: or(said), request_id: or(said), cost: or(text(/^(0|[1-9][0-9]{0,27})(\.[0-9]{1,40})?$/)), currency: or(currency), estimated: flag,
    usage: or(record(Object.fromEntries(["cache_read", "cache_write", "input", "output", "reasoning"].map((name) => [name, or(count)])))),
    us: count, first_us: or(count), commit: commits("response"),
  },
  denial: { ...call, ...asked, error: said, deny: or(said), commit: commits("asked") },
  checkpoint: { ...every, note: text(null, 2000), final: flag },
  retention: { ...every, removed: list(link, 1000, 1) },
  content: { ...every, ref: id, field: text(/^[a-z_]{1,32}$/), key_id: text(/^[0-9a-f]{16}$/), nonce: bytes(12), data: bytes() },
};
const SHAPES = Object.fromEntries(Object.entries(KINDS).map(([kind, fields]) => [kind, record(fields)]));

export function readLine(line) {
  const fields = parse(Buffer.from(line), { maxBytes: 2 ** 24 });
  if (!Object.hasOwn(SHAPES, fields.kind)) refuse("json", "no kind");
  SHAPES[fields.kind](fields);
  return fields;
}

// --- notes and certificates ---

const NUMBER = "(0|[1-9][0-9]{0,15})";
const NOTE = new RegExp(`^saferoute\\.ledger/([0-9a-f]{32})\\n${NUMBER}\\n([A-Za-z0-9+/=]{44})\\ntime ${NUMBER}$`);

export function readNote(note, key) {
  const middle = note.indexOf("\n\n");
  const found = middle < 0 ? null : NOTE.exec(note.slice(0, middle));
  const below = note.slice(middle + 2);
  if (!found || !below.endsWith("\n")) refuse("note", "not a checkpoint");
  const said = { segment: found[1], size: Number(found[2]), root: base64(found[3]), time: Number(found[4]), signatures: 0 };
  if (said.root.length !== 32 || said.size > Number.MAX_SAFE_INTEGER || said.time > Number.MAX_SAFE_INTEGER) refuse("note", "out of range");
  const name = `saferoute.ledger/${said.segment}`;
  const ours = key && sha256(Buffer.concat([Buffer.from(`${name}\n\u0001`), key.raw])).subarray(0, 4);
  let signed = 0;
  for (const line of below.slice(0, -1).split("\n")) {
    const parts = /^\u2014 ([^ +\n]{1,200}) ([A-Za-z0-9+/=]{8,2000})$/.exec(line);
    const bytes = parts && base64(parts[2]);
    if (!bytes || bytes.length < 5 || ++said.signatures > 16) refuse("note", "a line is no signature");
    if (!key || parts[1] !== name || !bytes.subarray(0, 4).equals(ours)) continue;
    if (!verifies(key, bytes.subarray(4), Buffer.from(note.slice(0, middle + 1)))) refuse("note", "wrong signature");
    signed += 1;
  }
  if (key && signed !== 1) refuse("note", "not signed by the log key");
  return said;
}

const CERTIFICATE = record({
  schema: word(1), key: bytes(32), instance: hex32, issued: whole(0, 253402300799), not_after: whole(0, 253402300799),
  name: text(/^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*){0,3}$/),
});

/** What a certificate says, with the version of the first root whose log role signed it; null where others did. */
function readCertificate(value, roles) {
  for (const role of roles) {
    let payload;
    try {
      payload = verify(envelopeOf(value), LOG_KEY, role.keys, role.threshold);
    } catch (error) {
      if (error instanceof Refused && error.message === "too few distinct keys") continue;
      throw error;
    }
    const fields = parse(payload, { maxBytes: 2048 });
    CERTIFICATE(fields);
    if (fields.not_after <= fields.issued) refuse("certificate", "its times");
    return { ...fields, version: role.version };
  }
  return null;
}

// --- one segment ---

export function verifySegment(data, { anchors = [], links = [], logRoles = null }) {
  const lines = data.split("\n");
  const tail = lines.pop();
  const faults = [];
  const wrong = (place) => faults.push(Math.max(place, 0));
  const report = { segment: "", key: null, previous: null, answers: [], removed: [], open: new Map(), closed: false, certified: null, faults };
  const tried = (place, work) => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      wrong(place);
      return null;
    }
  };
  const first = lines.length ? tried(0, () => readLine(lines[0])) : null;
  if (lines.length && first?.kind !== "segment") wrong(0);
  else if (lines.length) report.key = tried(0, () => loadKey(base64(first.key)));
  if (report.key) Object.assign(report, { segment: first.segment, previous: first.previous });
  const named = [...anchors.map((one) => ({ ...one, root: hex(one.root) })), ...links].filter((one) => one.segment === report.segment);
  for (const one of named) if (one.size > lines.length) wrong(lines.length);
  const leaves = [];
  const answered = new Set();
  let expected = 0;
  let last = { place: -1, time: 0 };

  const compare = () => {
    for (const one of named.filter((other) => other.size === leaves.length)) {
      if (hex(rootOf(leaves)) !== one.root || (one.hash && one.hash !== hex(leaves[leaves.length - 1]))) wrong(leaves.length - 1);
    }
  };
  const kinds = {
    segment: (_, place) => place && wrong(place),
    denial: () => {},
    retention: (fields, place) => report.removed.push(...fields.removed.map((one) => ({ ...one, place }))),
    intent: (fields) => report.segment && report.open.set(`${report.segment}:${fields.seq}`, `${fields.call} ${fields.attempt}`),
    outcome: (fields, place) => {
      const asked = `${fields.call} ${fields.attempt}`;
      if (fields.intent === null || !report.segment) return;
      if (!fields.intent.startsWith(report.segment)) report.answers.push({ place, intent: fields.intent, asked });
      else if (answered.has(fields.intent) || report.open.get(fields.intent) !== asked) wrong(place);
      answered.add(fields.intent);
      report.open.delete(fields.intent);
    },
    content: (fields, place) => {
      const [segment, seq] = fields.ref.split(":");
      if (segment === report.segment && Number(seq) >= fields.seq) wrong(place);
    },
    checkpoint: (fields, place) => {
      report.closed = fields.final;
      if (!report.key) return;
      tried(place, () => {
        const note = readNote(fields.note, report.key);
        if (note.signatures !== 1 || note.segment !== report.segment || note.size !== fields.seq || note.time !== fields.time) refuse("note", "another record's");
        if (note.size !== place || !note.root.equals(rootOf(leaves))) refuse("note", "over other records");
        last = { place, time: note.time };
      });
    },
  };
  lines.forEach((line, place) => {
    compare();
    if (report.closed) wrong(place);
    const fields = place === 0 ? first : tried(place, () => readLine(line));
    if (fields && fields.seq !== expected) wrong(place);
    else if (fields && fields.prev !== (place ? hex(leaves[place - 1]) : "0".repeat(64))) wrong(place - 1);
    if (fields) kinds[fields.kind](fields, place);
    expected = (fields ? fields.seq : expected) + 1;
    leaves.push(leafHash(line));
  });
  compare();
  if ((tail && report.closed) || Buffer.byteLength(tail) > 2 ** 24) wrong(lines.length);
  if (report.key && first.certificate && logRoles) {
    tried(0, () => {
      const certificate = readCertificate(first.certificate, logRoles);
      if (!certificate) return;
      if (certificate.key !== first.key || certificate.instance !== first.instance) refuse("certificate", "another key's");
      const inTime = first.time >= (certificate.issued - 300) * 1e6 && Math.max(first.time, last.time) <= certificate.not_after * 1e6;
      report.certified = inTime ? certificate.version : null;
    });
  }
  report.removed = report.removed.filter((one) => one.place < last.place);
  report.end = report.segment ? { size: leaves.length, root: hex(rootOf(leaves)), hash: hex(leaves[leaves.length - 1]) } : null;
  report.unsigned = lines.length - 1 - last.place;
  report.records = lines.length;
  faults.sort((one, other) => one - other);
  return report;
}

// --- a ledger of many ---

export function verifyLedger(files, { anchors = [] }) {
  const names = Object.keys(files);
  const links = names.map((name) => verifySegment(files[name], {}).previous).filter(Boolean);
  const reports = new Map(names.map((name) => [name, verifySegment(files[name], { anchors, links })]));
  const faults = [];
  const wrong = (name, place) => faults.push({ order: name === "" ? names.length : names.indexOf(name), place, name });
  const where = new Map();
  const removed = new Map();
  for (const [name, report] of reports) {
    for (const place of report.faults) wrong(name, place);
    const said = name.match(/[0-9a-f]{32}/g);
    if (report.segment && said && said[said.length - 1] !== report.segment) wrong(name, 0);
    if (report.segment && where.has(report.segment)) wrong(name, 0);
    else if (report.segment) where.set(report.segment, name);
    for (const one of report.removed) if (!removed.has(one.segment)) removed.set(one.segment, one);
  }
  const gone = (said) => {
    const one = removed.get(said.segment);
    return one && (said.size < one.size || (said.size === one.size && said.root === one.root && (!said.hash || said.hash === one.hash)));
  };
  const taken = new Set();
  for (const [name, report] of reports) {
    const before = report.previous;
    if (before && (before.segment === report.segment || (!where.has(before.segment) && !gone(before)))) wrong(name, 0);
    if (!report.key || where.get(report.segment) !== name) continue;
    const other = before && where.has(before.segment) && reports.get(where.get(before.segment)).key;
    const from = `${report.key.id} ${before && (!other || other.id === report.key.id) ? before.segment : ""}`;
    if (taken.has(from)) wrong(name, 0);
    taken.add(from);
  }
  for (const [segment, one] of removed) {
    if (!where.has(segment)) continue;
    const { end } = reports.get(where.get(segment));
    if (end.size < one.size) wrong(where.get(segment), end.size);
    else if (end.size === one.size && (end.root !== one.root || end.hash !== one.hash)) wrong(where.get(segment), end.size - 1);
  }
  for (const one of anchors) if (!where.has(one.segment) && !gone({ ...one, root: hex(one.root) })) wrong("", 0);
  const open = new Map([...reports.values()].flatMap((report) => [...report.open]));
  for (const [name, report] of reports) {
    for (const answer of report.answers) {
      const segment = answer.intent.split(":")[0];
      if (where.has(segment) ? open.get(answer.intent) !== answer.asked : !removed.size) wrong(name, answer.place);
      open.delete(answer.intent);
    }
  }
  faults.sort((one, other) => one.order - other.order || one.place - other.place);
  return { first: faults.length ? [faults[0].name, faults[0].place] : null, maybeSent: [...open.keys()], removed: [...removed.keys()].filter((segment) => !where.has(segment)) };
}

// --- proofs ---

const PROOF = record({
  type: word("saferoute ledger proof"), v: word(1), record: (value) => isObject(value) || refuse("json", "no record"), note: text(null, 20000),
  path: list(hex64, 64), key: bytes(32), certificate: or(envelopeOf), openings: map(text(), hex64, 3),
});

export function checkProof(data, { logRoles = null }) {
  const proof = parse(Buffer.from(data.replace(/\n$/, "")), { maxBytes: 2 ** 24 + 2 ** 16 });
  PROOF(proof);
  const line = canonical(proof.record);
  const fields = readLine(line);
  const key = loadKey(base64(proof.key));
  const note = readNote(proof.note, key);
  const path = proof.path.map((one) => Buffer.from(one, "hex"));
  if (!rootFrom(leafHash(line), fields.seq, note.size, path).equals(note.root)) refuse("path", "another root");
  for (const name of Object.keys(proof.openings)) if (!fields.commit?.[name]) refuse("openings", name);
  const certificate = proof.certificate && logRoles ? readCertificate(proof.certificate, logRoles) : null;
  if (proof.certificate && logRoles && !certificate) refuse("certificate", "signed by others");
  if (certificate && certificate.key !== proof.key) refuse("certificate", "another key's");
  const inTime = certificate && certificate.issued * 1e6 <= note.time && note.time <= certificate.not_after * 1e6;
  const certified = inTime ? certificate.version : null;
  return { id: `${note.segment}:${fields.seq}`, key_id: key.id, certified, time: note.time, opened: proof.openings, commit: fields.commit };
}

export function decrypt(key, record) {
  const data = base64(record.data);
  const cipher = crypto.createDecipheriv("aes-256-gcm", key, base64(record.nonce));
  cipher.setAAD(Buffer.from(`saferoute ledger content v1|${record.ref}|${record.field}`));
  cipher.setAuthTag(data.subarray(-16));
  return Buffer.concat([cipher.update(data.subarray(0, -16)), cipher.final()]);
}
