// srcap1 capability tokens and the asked hash, as docs/spec/token.md says.
import { canonical, hex, isObject, loadKey, parse, Refused, refuse, sha256, verifies } from "./signing.mjs";

const MAX_TEXT = 8192;
const u32 = (n) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);

function unbase64url(text) {
  const data = Buffer.from(text, "base64url");
  if (!text || data.toString("base64url") !== text) refuse("encoding", "base64url in its one spelling");
  return data;
}

function cut(data, ...tails) {
  let end = 4 + (data.length >= 4 ? data.readUInt32BE(0) : Infinity);
  const whole = end + tails.reduce((sum, size) => sum + size, 0);
  if (data.length !== whole) refuse("encoding", "a length is wrong");
  const fields = [data.subarray(4, end)];
  for (const size of tails) fields.push(data.subarray(end, (end += size)));
  return fields;
}

function inner(text) {
  if (typeof text !== "string") refuse("form", "a text");
  if (text.length > MAX_TEXT) refuse("too_large", "8192 characters");
  if (text.startsWith("srcap1.") && /^[\x00-\x7f]*$/.test(text)) return text.slice(7);
  if (text.startsWith("srcap1h.")) refuse("holder_form", "never leaves its file");
  if (/^srcap[0-9]{1,9}h?\./.test(text)) refuse("version", "another version");
  return refuse("form", "no srcap1 token");
}

export function readChain(text) {
  const body = inner(text);
  if (body.includes("~")) refuse("form", "a call token");
  const parts = body.split(".");
  if (parts.length > 8) refuse("blocks", "at most 8");
  let soFar = "srcap1";
  return parts.map((part) => {
    const [payload, nextKey, signature] = cut(unbase64url(part), 32, 64);
    soFar += `.${part}`;
    return { payload, nextKey, signature, digest: hex(sha256(soFar)) };
  });
}

export function readCall(text) {
  const body = inner(text);
  const mark = body.indexOf("~");
  if (mark < 0) refuse("proof_missing", "a chain without a proof");
  const [payload, signature] = cut(unbase64url(body.slice(mark + 1)), 64);
  const chain = `srcap1.${body.slice(0, mark)}`;
  return { chain, digest: hex(sha256(chain)), payload, signature };
}

// --- claims ---

const bad = (why) => refuse("claim", why);
const names = (pattern, longest, least = 1) => (value) => {
  if (!Array.isArray(value) || value.length < least || value.length > 64) bad("a list of 1 to 64");
  if (!value.every((name) => typeof name === "string" && name.length <= longest && pattern.test(name))) bad("a name");
  if (new Set(value).size !== value.length) bad("a name twice");
};
const matches = (pattern, longest) => (value) => (typeof value === "string" && value.length <= longest && pattern.test(value)) || bad("a text");
const whole = (least, most) => (value) => (Number.isSafeInteger(value) && value >= least && value <= most) || bad("an integer");
const word = (...words) => (value) => words.includes(value) || bad("a word");
const amount = (more) => (value) => {
  if (!isObject(value) || !("amount" in value) || !("currency" in value)) bad("an amount");
  if (Object.keys(value).some((key) => !["amount", "currency", ...more].includes(key))) bad("an unknown field");
  whole(0, Number.MAX_SAFE_INTEGER)(value.amount);
  matches(/^[A-Z]{3}$/, 3)(value.currency);
  if ("per" in value) word("hour", "day", "week", "month")(value.per);
};
const LABELS = ["public", "internal", "confidential", "restricted"];
const SCOPES = ["process", "host", "cluster"];
const NAMES = names(/^[a-z0-9]+(?:[._/-][a-z0-9]+)*$/, 128);
const SEGMENT = "(?!\\.{1,2}(?:/|$))[!$&'()+,\\-.0-9:=@A-Z\\[\\]_a-z~]+";
const TIME = whole(0, 253402300799);
const TOKENS = whole(1, 1000000000);
const LIMIT = whole(1, 1000000000);
const CLAIMS = {
  v: whole(1, 1), iss: matches(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/, 64), jti: matches(/^[0-9a-f]{32}$/, 32), iat: TIME, exp: TIME, nbf: TIME,
  aud: NAMES, ops: names(/^[a-z]+(?:_[a-z]+)*$/, 32), models: names(new RegExp(`^${SEGMENT}(?:/${SEGMENT})*$`), 200), providers: NAMES, routes: NAMES,
  tools: names(/^[A-Za-z0-9_.-]+$/, 128, 0), guards: NAMES, regions: NAMES, purpose: NAMES, data: word(...LABELS), max_in: TOKENS, max_out: TOKENS,
  max_cost: amount([]), budget: amount(["per"]), calls: whole(0, Number.MAX_SAFE_INTEGER), rpm: LIMIT, tpm: LIMIT, concurrent: LIMIT, stream: word(true, false),
  table_min: whole(1, Number.MAX_SAFE_INTEGER), req: names(/^[0-9a-f]{64}$/, 64), depth: whole(1, 8), scope: word(...SCOPES),
};
const ISSUERS_ONLY = ["v", "iss", "jti", "iat"];
const REQUIRED = [...ISSUERS_ONLY, "exp", "aud", "ops", "models", "providers"];

function readClaims(payload, first) {
  let said;
  try {
    said = parse(payload, { maxBytes: MAX_TEXT, depth: 2 });
  } catch (error) {
    throw error instanceof Refused ? new Refused("payload", error.message) : error;
  }
  if (first && !REQUIRED.every((claim) => Object.hasOwn(said, claim))) bad("a claim is missing");
  for (const [claim, value] of Object.entries(said)) {
    if (!Object.hasOwn(CLAIMS, claim)) bad("an unknown claim");
    if (!first && ISSUERS_ONLY.includes(claim)) bad("only in the first block");
    CLAIMS[claim](value);
  }
  return said;
}

// --- a chain: genuine or not ---

const INSIDE = { hour: ["hour"], day: ["hour", "day"], week: ["hour", "day", "week"], month: ["hour", "day", "month"] };

// A claim, its word in a ceiling, and what is counted.
const LIMITS = [["rpm", "requests_per_minute", "requests"], ["tpm", "tokens_per_minute", "tokens"], ["concurrent", "concurrent", "concurrent"]];

function checkCeiling(first, ceiling) {
  for (const [claim, own] of LIMITS) {
    const most = ceiling.limits?.[own];
    if (most !== undefined && first[claim] !== undefined && first[claim] > most) refuse("ceiling", "more than its issuer may");
  }
  const bound = ceiling.budget;
  if (!bound || !first.budget || first.budget.currency !== bound.currency) return;
  if (first.budget.per && INSIDE[bound.per].includes(first.budget.per) && first.budget.amount > bound.amount) refuse("ceiling", "more than its issuer may");
}

function merge(root, blocks, claims, issuer) {
  const { ceiling } = issuer;
  const all = (claim, own = claim) => [ceiling[own], ...claims.map((said) => said[claim])].filter((value) => value !== undefined);
  const common = (claim, own = claim) => {
    const sets = all(claim, own);
    return sets.length ? [...new Set(sets[0])].filter((name) => sets.every((set) => set.includes(name))).sort() : null;
  };
  const pick = (choose, values) => (values.length ? choose(...values) : null);
  const costs = all("max_cost");
  if (new Set(costs.map((cost) => cost.currency)).size > 1) refuse("currency", "two currencies");
  const ranks = all("data").map((label) => LABELS.indexOf(label));
  let scopes = claims.map((said) => said.scope).filter((scope) => scope !== undefined);
  if (claims[0].scope === undefined) scopes = scopes.filter((scope) => scope !== "process");
  const counts = claims.some((said) => ["budget", "calls", "rpm", "tpm", "concurrent"].some((claim) => said[claim] !== undefined));
  const widest = (words) => SCOPES[Math.max(...words.map((scope) => SCOPES.indexOf(scope)))];
  const parts = [ceiling.budget, ceiling.limits].filter((part) => part !== undefined);
  const above = parts.some((part) => part.scope) ? widest(parts.map((part) => part.scope ?? "host")) : null;
  if (claims[0].scope === undefined && above === "process" && counts) scopes.push("host");
  if (scopes.length && !above && (ceiling.budget || LIMITS.some(([, own]) => ceiling.limits?.[own] !== undefined))) scopes.push("host");
  if (above) scopes.push(above);
  const budgets = [];
  if (ceiling.budget) budgets.push({ key: `issuer:${root}:${issuer.name}`, limit: ceiling.budget.amount, unit: ceiling.budget.currency, per: ceiling.budget.per, expires_at: null, replicas: ceiling.budget.replicas ?? 1 });
  const limits = LIMITS.filter(([, own]) => ceiling.limits?.[own] !== undefined)
    .map(([claim, own, kind]) => ({ key: `issuer:${root}:${issuer.name}:${claim}`, kind, limit: ceiling.limits[own] }));
  claims.forEach((said, n) => {
    for (const [claim, , kind] of LIMITS) if (said[claim] !== undefined) limits.push({ key: `cap:${blocks[n].digest}:${claim}`, kind, limit: said[claim] });
  });
  let until = null;
  claims.forEach((said, n) => {
    if (said.exp !== undefined) until = until === null ? said.exp : Math.min(until, said.exp);
    const per = said.budget?.per ?? null;
    if (said.budget) budgets.push({ key: `cap:${blocks[n].digest}:budget`, limit: said.budget.amount, unit: said.budget.currency, per, expires_at: per ? null : until, replicas: 1 });
    if (said.calls !== undefined) budgets.push({ key: `cap:${blocks[n].digest}:calls`, limit: said.calls, unit: "calls", per: null, expires_at: until, replicas: 1 });
  });
  return {
    operations: common("ops", "operations"), routes: common("routes"), aliases: false, models: common("models"), providers: common("providers"),
    tools: common("tools"), purposes: common("purpose", "none"), audience: common("aud", "none"), regions: common("regions"),
    guards: [...new Set(claims.flatMap((said) => said.guards ?? []))].sort(),
    data: ranks.length ? LABELS[Math.min(...ranks)] : null,
    max_input: pick(Math.min, all("max_in", "none")), max_output: pick(Math.min, all("max_out", "max_output")),
    max_cost: costs.length ? costs.reduce((least, cost) => (cost.amount < least.amount ? cost : least)) : null,
    stream: claims.every((said) => said.stream !== false), table_min: pick(Math.max, all("table_min", "none")), requests: common("req", "none"),
    not_before: pick(Math.max, all("nbf", "none")), expires_at: pick(Math.min, all("exp", "none")),
    scope: scopes.length ? widest(scopes) : null,
    budgets, limits,
  };
}

export function verifyChain(text, issuers, root) {
  const blocks = readChain(text);
  const claims = blocks.map((block, n) => readClaims(block.payload, n === 0));
  const [first] = claims;
  if (!Object.hasOwn(issuers, first.iss)) refuse("issuer", "not named by the root");
  const issuer = { name: first.iss, ...issuers[first.iss] };
  let keys = issuer.keys.map((key) => loadKey(Buffer.from(key, "hex")));
  let before = Buffer.alloc(32);
  for (const block of blocks) {
    const message = Buffer.concat([Buffer.from("saferoute srcap1 block\n"), before, u32(block.payload.length), block.payload, block.nextKey]);
    if (!keys.some((key) => verifies(key, block.signature, message))) refuse("signature", "not signed by whom it should be");
    try {
      keys = [loadKey(block.nextKey)];
    } catch {
      refuse("key", "a next key that is none");
    }
    before = sha256(block.signature);
  }
  const depths = claims.map((said) => said.depth).filter((depth) => depth !== undefined);
  if (blocks.length > Math.min(issuer.max_depth, ...depths)) refuse("depth", "too many blocks");
  const life = first.exp - first.iat;
  if (life <= 0 || life > issuer.max_life) refuse("life", "too long, or none");
  checkCeiling(first, issuer.ceiling);
  const permission = merge(root, blocks, claims, issuer);
  return { permission, digests: blocks.map((block) => block.digest), tail: keys[0], jti: first.jti, iat: first.iat };
}

export function checkNow(verified, now, revoked) {
  const { expires_at: end, not_before: begin } = verified.permission;
  if (!(now < end)) refuse("exp", "its time is over");
  if (now < (begin ?? 0) - 30) refuse("nbf", "its time has not begun");
  if (now < verified.iat - 30) refuse("iat", "issued in the future");
  if ([verified.jti, ...verified.digests].some((id) => revoked.includes(id))) refuse("revoked", "revoked");
}

// --- a proof ---

export function verifyCall(text, issuers, root, { audience, asked, now, instance }) {
  const call = readCall(text);
  const verified = verifyChain(call.chain, issuers, root);
  let proof;
  try {
    proof = parse(call.payload, { maxBytes: 1024, depth: 1 });
  } catch {
    refuse("proof", "no canonical JSON");
  }
  const { aud, nonce, req, ts, inst, ...more } = proof;
  const fits = (pattern, value) => typeof value === "string" && pattern.test(value);
  const formed =
    !Object.keys(more).length && fits(/^[a-z0-9]+(?:[._/-][a-z0-9]+)*$/, aud) && aud.length <= 128 && fits(/^[0-9a-f]{32}$/, nonce) &&
    fits(/^[0-9a-f]{64}$/, req) && Number.isSafeInteger(ts) && ts >= 0 && ts <= 253402300799 && (inst === undefined || fits(/^[A-Za-z0-9._-]{1,64}$/, inst));
  if (!formed) refuse("proof", "its fields");
  const message = Buffer.concat([Buffer.from("saferoute srcap1 proof\n"), Buffer.from(call.digest, "hex"), u32(call.payload.length), call.payload]);
  if (!verifies(verified.tail, call.signature, message)) refuse("proof", "not signed with the last key");
  const allowed = verified.permission.audience;
  if (aud !== audience || (allowed && !allowed.includes(audience))) refuse("aud", "for somebody else");
  if (!(ts - 30 <= now && now <= ts + 60)) refuse("stale", "too old, or from the future");
  if (req !== asked) refuse("asked", "for another request");
  if ((verified.permission.scope === "process" || inst !== undefined) && (instance === null || inst !== instance)) refuse("instance", "another process");
  return verified;
}

// --- the asked hash ---

const u64 = (n) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(n));
  return out;
};
const sized = (kind, data) => Buffer.concat([Buffer.from(kind), u64(data.length), data]);

function written(value) {
  if (value === null) return Buffer.from("n");
  if (typeof value === "boolean") return Buffer.from(value ? "t" : "f");
  if ("s" in value) return sized("s", Buffer.from(value.s));
  if ("i" in value) return sized("i", Buffer.from(value.i));
  if ("b" in value) return sized("b", Buffer.from(value.b, "hex"));
  if ("d" in value) return Buffer.concat([Buffer.from("d"), Buffer.from(value.d, "hex")]);
  if ("l" in value) return Buffer.concat([Buffer.from("l"), u64(value.l.length), ...value.l.map(written)]);
  const pairs = (rows) => [u64(rows.length), ...rows.flatMap(([name, item]) => [sized("s", Buffer.from(name)), written(item)])];
  if ("m" in value) return Buffer.concat([Buffer.from("m"), ...pairs(value.m)]);
  return Buffer.concat([Buffer.from("o"), sized("s", Buffer.from(value.o)), ...pairs(value.f)]);
}

export const askedHash = (values) => hex(sha256(Buffer.concat([Buffer.from("saferoute asked 1\n"), ...values.map(written)])));

export const same = (left, right) => canonical(left) === canonical(right);
