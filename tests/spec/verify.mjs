// Checks docs/spec/vectors with code that shares nothing with the Python package: node verify.mjs FOLDER
// Prints one JSON line {file: cases}; exits with 1, and says which, if a vector is not judged as it says. Node >= 18, no dependencies.
import fs from "node:fs";
import path from "node:path";
import { checkProof, commitment, decrypt, leafHash, pathOf, readNote, rootFrom, rootOf, salt, systemId, verifyLedger, verifySegment } from "./ledger.mjs";
import { base64, hex, loadKey, pae, parse, readEnvelope, Refused, sha256, verify } from "./signing.mjs";
import { askedHash, checkNow, same, verifyCall, verifyChain } from "./token.mjs";
import { verifyTrust } from "./trust.mjs";
import { open } from "./vault.mjs";

const folder = process.argv[2];
const load = (name) => JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), "utf8"));
const wrong = [];
const counts = {};

const expect = (what, holds) => {
  if (!holds) wrong.push(what);
};

/** Judge every case; `step` (or `code`) names why it must be refused, where the vector says it. */
function judge(file, cases, check) {
  for (const one of cases) {
    counts[file] = (counts[file] ?? 0) + 1;
    let said = "";
    try {
      check(one);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      said = error.step;
    }
    const wanted = one.valid ? "" : (one.step ?? one.code ?? said);
    expect(`${file}: ${one.name}: ${said || "taken"} instead of ${wanted || (one.valid ? "taken" : "refused")}`, said === wanted && Boolean(said) === !one.valid);
  }
}

judge("strict_json", load("strict_json").cases, (one) => parse(base64(one.data)));

judge("keys", load("keys").cases, (one) => {
  const key = loadKey(Buffer.from(one.public, "hex"));
  expect(`keys: ${one.name}: its id`, key.id === one.key_id);
});

const envelopes = load("envelope");
for (const one of envelopes.pae) expect(`pae of ${one.type}`, hex(pae(one.type, base64(one.payload))) === one.pae);
judge("envelope", envelopes.cases, (one) => {
  const keys = one.keys.map((key) => loadKey(Buffer.from(key, "hex")));
  verify(readEnvelope(Buffer.from(one.envelope)), one.type, keys, one.threshold);
});

const trust = load("trust");
for (const [name, content] of Object.entries(trust.files)) expect(`trust: file ${name}`, hex(sha256(content)).startsWith(name));
judge("trust", trust.cases, (one) => {
  const file = (name) => (name === null ? null : Buffer.from(trust.files[name]));
  const files = { root: file(one.root), updates: one.updates.map(file), bundle: file(one.bundle), status: file(one.status), revocations: file(one.revocations) };
  verifyTrust(files, { pinned: one.pinned, now: one.now, earlier: one.earlier, leastVersion: one.min_table_version });
});

const token = load("token");
judge("token chains", token.chains, (one) => {
  const verified = verifyChain(one.token, token.issuers, token.root);
  if (!one.valid) return;
  expect(`token: ${one.name}: digests`, same(verified.digests, one.digests) && hex(verified.tail.raw) === one.tail);
  expect(`token: ${one.name}: permission`, same(verified.permission, one.permission));
});
judge("token moments", token.moments, (one) => checkNow(verifyChain(one.token, token.issuers, token.root), one.now, one.revoked));
judge("token calls", token.calls, (one) => verifyCall(one.token, token.issuers, token.root, one));

for (const one of load("asked").cases) {
  counts.asked = (counts.asked ?? 0) + 1;
  expect(`asked: ${one.name}`, askedHash(one.values) === one.asked);
}

const vault = load("vault");
const root = Buffer.from(vault.root_key, "hex");
judge("vault", vault.cases, (one) => {
  const opened = open(Buffer.from(one.data), root);
  if (!one.valid) return;
  const shown = opened.records.map(({ derived, ...record }) => record);
  expect(`vault: ${one.name}: records`, same(shown, one.records));
  const openai = opened.records.find((record) => record.name === "openai");
  if (!openai) return;
  const derived = { header: opened.header, check: hex(opened.check), mac_key: hex(opened.macKey), record_key: hex(openai.derived.key), commitment: hex(openai.derived.commitment) };
  for (const [name, value] of Object.entries(derived)) expect(`vault: derived ${name}`, vault.derived[name] === value);
});

const ledger = load("ledger");
const secret = Buffer.from(ledger.secret, "hex");
const rolesOf = (given) => given && given.map((role) => ({ ...role, keys: role.keys.map((key) => loadKey(Buffer.from(key, "hex"))) }));
const dataOf = (names, tail = "") => names.map((name) => `${ledger.lines[name]}\n`).join("") + tail;
const leaves = ledger.tree.leaves.map((leaf) => leafHash(Buffer.from(leaf, "hex")));
ledger.tree.roots.forEach((one, size) => expect(`ledger: root of ${size}`, hex(rootOf(leaves.slice(0, size))) === one));
for (const one of ledger.tree.paths) {
  const nodes = one.path.map((node) => Buffer.from(node, "hex"));
  const there = same(pathOf(leaves.slice(0, one.size), one.index).map(hex), one.path);
  expect(`ledger: path ${one.index} of ${one.size}`, there && hex(rootFrom(leaves[one.index], one.index, one.size, nodes)) === ledger.tree.roots[one.size]);
}
for (const one of ledger.commitments) {
  const made = salt(secret, one.segment, one.seq, one.name);
  expect(`ledger: commitment ${one.name}`, hex(made) === one.salt && commitment(made, one.content) === one.commitment);
}
for (const one of ledger.system_ids) expect(`ledger: system id of ${one.text}`, systemId(secret, one.text) === one.id);
expect("ledger: content", decrypt(Buffer.from(ledger.content.key, "hex"), ledger.content.record).toString() === ledger.content.content);
judge("ledger notes", ledger.notes, (one) => {
  const note = readNote(one.note, one.key && loadKey(Buffer.from(one.key, "hex")));
  if (one.valid) expect(`ledger: note ${one.name}`, same([note.segment, note.size, hex(note.root), note.time], [one.segment, one.size, one.root, one.time]));
});
for (const one of ledger.segments) {
  counts["ledger segments"] = (counts["ledger segments"] ?? 0) + 1;
  const anchors = one.anchors.map((note) => readNote(note, null));
  const found = verifySegment(dataOf(one.lines, one.tail), { anchors, logRoles: rolesOf(one.log_roles) });
  const shown = [found.faults[0] ?? null, found.closed, found.certified, found.unsigned, [...found.open.keys()]];
  const wanted = [one.first, one.closed, one.certified, one.unsigned_tail, one.maybe_sent];
  expect(`ledger: segment: ${one.name}: ${JSON.stringify(shown)} instead of ${JSON.stringify(wanted)}`, same(shown, wanted));
}
for (const one of ledger.ledgers) {
  counts["ledger ledgers"] = (counts["ledger ledgers"] ?? 0) + 1;
  const files = Object.fromEntries(Object.entries(one.segments).map(([name, lines]) => [name, dataOf(lines)]));
  const found = verifyLedger(files, { anchors: one.anchors.map((note) => readNote(note, null)) });
  const [shown, wanted] = [[found.first, found.maybeSent, found.removed], [one.first, one.maybe_sent, one.removed]];
  expect(`ledger: ${one.name}: ${JSON.stringify(shown)} instead of ${JSON.stringify(wanted)}`, same(shown, wanted));
}
judge("ledger proofs", ledger.proofs, (one) => {
  const found = checkProof(one.proof, { logRoles: rolesOf(one.log_roles) });
  if (!one.valid) return;
  const names = ["id", "key_id", "certified", "time", "opened"];
  expect(`ledger: proof ${one.name}`, same(names.map((name) => found[name]), names.map((name) => one[name])));
  for (const [name, content] of Object.entries(one.contents ?? {})) {
    expect(`ledger: proof ${one.name}: ${name}`, commitment(Buffer.from(found.opened[name], "hex"), content) === found.commit[name]);
  }
});

for (const line of wrong) console.error(line);
console.log(JSON.stringify(counts));
process.exit(wrong.length ? 1 : 0);
