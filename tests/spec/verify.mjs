// Checks docs/spec/vectors with code that shares nothing with the Python package: node verify.mjs FOLDER
// Prints one JSON line {file: cases}; exits with 1, and says which, if a vector is not judged as it says. Node >= 18, no dependencies.
import fs from "node:fs";
import path from "node:path";
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

for (const line of wrong) console.error(line);
console.log(JSON.stringify(counts));
process.exit(wrong.length ? 1 : 0);
