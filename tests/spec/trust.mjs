// Root, release, table digest, status, revocations and memory, as docs/spec/table.md says, in its order.
import { at, base64, envelopeOf, hex, list, loadKey, map, parse, readEnvelope, readFile, record, refuse, sha256, text, verify, whole, word } from "./signing.mjs";

const TYPE = (name) => `application/vnd.saferoute.${name}.v1+json`;
const DAY = 86400;
const SKEW = 300;
const WORD = "[a-z0-9]+(?:[._-][a-z0-9]+)*";
const name = text(new RegExp(`^${WORD}$`), 64);
const tableName = text(new RegExp(`^${WORD}(?:/${WORD}){0,3}$`), 128);
const digest = text(/^[0-9a-f]{64}$/);
const version = whole(1, Number.MAX_SAFE_INTEGER);
const time = whole(0, 253402300799);
const one = whole(1, 1);
const annotations = map(text(/^[a-z0-9][a-z0-9._/-]*$/, 64), text(null, 2000), 32);
const anything = () => {};

const role = record({ keyids: list(digest, 16, 1, true), threshold: whole(1, 16) });
const issuer = record({ keyids: list(digest, 16, 1, true), max_life: whole(1, 366 * DAY), max_depth: whole(1, 8), ceiling: anything }, { annotations });
const ROOT = record(
  {
    schema: one, name: tableName, version, issued: time, not_after: time,
    keys: map(digest, record({ algorithm: word("ed25519"), public: text(null, 44) }), 128, 1),
    roles: record({ root: role, table: role }, { status: role, log: role }),
  },
  { issuers: map(name, issuer, 64), grace_hours: whole(0, 72), annotations },
);
const RELEASE = record(
  {
    schema: one, name: tableName, version, root_version: version, issued: time, not_after: time,
    tables: list(record({ schema: whole(1, 1000000), sha256: digest, size: whole(2, 7000000) }), 8, 1),
  },
  { annotations },
);
const BUNDLE = record({ release: anything, tables: list(text(null, 10000000), 8, 1) });
const revoked = list(text(/^[A-Za-z0-9._:-]+$/, 128), 600, 0, true);
const STATUS = record(
  {
    schema: one, name: tableName, root_version: version, version, issued: time, not_after: time,
    release: record({ version, digest }), revoked, halted: list(name, 2000, 0, true),
  },
  { annotations },
);
const REVOCATIONS = record({ schema: one, name: tableName, root_version: version, version, issued: time, revoked }, { annotations });
// Guard profiles and templates, which the rows name.
const flag = word(true, false);
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const HOST = `${LABEL}(?:\\.${LABEL})*`;
const kind = text(/^[a-z][a-z0-9_.-]{0,63}$/);
const setting = record(
  {},
  { action: word("flag", "redact", "block"), threshold: whole(0, 1000), on_error: word("block", "flag"), kinds: list(kind, 64, 1, true), reversible: flag },
);
const argument = record(
  { path: text(/^(?:\/(?:[^~/\x00-\x1f\x7f]|~[01])*)+$/, 200) },
  {
    hosts: list(text(new RegExp(`^\\.?${HOST}$`), 253), 200, 1, true), one_of: list(text(null, 1000), 200, 1, true),
    prefixes: list(text(/^[^]+$/, 500), 100, 1, true), longest: whole(0, 10000000),
  },
);
const tool = record({}, { effects: flag, approval: word("never", "tainted", "always"), arguments: list(argument, 64, 1), restore: flag });
const templateName = text(/^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/, 64);
const PROFILE = record(
  {},
  {
    guards: map(kind, setting, 64, 1), max_characters: whole(1, 1000000000), templates: list(templateName, 200, 1, true),
    allowed_hosts: list(text(new RegExp(`^(?:\\*\\.)?${HOST}$`), 253), 200, 1, true), tools: map(text(/^[A-Za-z0-9_.-]{1,128}$/, 128), tool, 200),
  },
);
const TEMPLATE = record(
  { sha256: digest, variables: map(text(/^[a-z][a-z0-9_]*$/, 64), word("text", "line", "integer", "number", "boolean", "json"), 64) },
  { text: text(/^[^]+$/, 65536) },
);
// Lists of prices, which the rows name, and the prices of a row.
const currency = text(/^[A-Z]{3}$/, 3);
const amount = whole(0, Number.MAX_SAFE_INTEGER);
const rates = {
  input: amount, output: amount, cache_read: amount, cache_write_5m: amount, cache_write_1h: amount, input_audio: amount, output_audio: amount,
};
const priced = {
  ...rates, tiers: list(record({ above: whole(1, 1000000000) }, rates), 8, 1), multipliers: map(name, whole(1, 1000000), 16, 1),
};
const { input, ...others } = priced;
const SEGMENT = "(?!\\.{1,2}(?:/|$))[!$&'()+,\\-.0-9:=@A-Z\\[\\]_a-z~]+";
const modelName = text(new RegExp(`^${SEGMENT}(?:/${SEGMENT})*$`), 200);
const PRICES = record({ currency }, priced);
const PRICE_LIST = record({ currency, models: map(modelName, record({ input }, others), 2000, 1) }, { annotations });
// What a row means is the router's matter; here the table's outermost fields, the rows' ids, which a status can halt, their profiles and prices.
const TABLE = record(
  { schema: one, routes: list(anything, 2000, 1), aliases: map(name, anything, 500) },
  { credentials: anything, guards: map(name, PROFILE, 100), templates: map(templateName, TEMPLATE, 200), price_lists: map(name, PRICE_LIST, 100), grant: anything, ledger: word("stop", "warn"), annotations },
);

function checkTemplate({ sha256: named, variables, text: said }) {
  if (said === undefined) return;
  const bytes = Buffer.from(said);
  if (bytes.length > 65536 || hex(sha256(bytes)) !== named) refuse("json", "another text than the digest's");
  const found = new Set();
  for (const [piece, inner] of said.matchAll(/\{\{|\}\}|\{([a-z][a-z0-9_]{0,63})\}|[{}]/g)) {
    if (inner !== undefined) found.add(inner);
    else if (piece.length === 1) refuse("json", "a brace that means nothing");
  }
  if (found.size > Object.keys(variables).length || Object.keys(variables).some((one) => !found.has(one))) refuse("json", "other placeholders than variables");
}

function checkGuards(table) {
  const { guards = {}, templates = {} } = table;
  Object.values(templates).forEach(checkTemplate);
  for (const profile of Object.values(guards)) {
    if ((profile.templates ?? []).some((one) => !Object.hasOwn(templates, one))) refuse("json", "a template that is not there");
    for (const [guard, held] of Object.entries(profile.guards ?? {})) {
      if (held.action === undefined && (held.threshold ?? held.kinds) !== undefined) refuse("json", "a threshold or kinds without an action");
      if (guard === "secrets" && held.reversible) refuse("json", "secrets are never put back");
    }
    const rules = Object.values(profile.tools ?? {}).flatMap((one) => one.arguments ?? []);
    if (rules.some((one) => Object.keys(one).length === 1)) refuse("json", "a rule that allows anything");
  }
  if (table.routes.some((row) => row.guards !== undefined && !Object.hasOwn(guards, row.guards))) refuse("json", "a profile that is not there");
}

function checkPrices(table) {
  const lists = table.price_lists ?? {};
  for (const row of table.routes) if (row.prices !== undefined) PRICES(row.prices);
  const every = [...table.routes.flatMap((row) => row.prices ?? []), ...Object.values(lists).flatMap((one) => Object.values(one.models))];
  for (const { tiers = [] } of every) {
    if (tiers.some((tier, place) => place && tier.above <= tiers[place - 1].above)) refuse("json", "tiers that do not rise");
    if (tiers.some((tier) => Object.keys(tier).length === 1)) refuse("json", "a tier that prices nothing");
  }
  if (table.routes.some((row) => row.price_list !== undefined && !Object.hasOwn(lists, row.price_list))) refuse("json", "a list that is not there");
}

function rootOf(payload) {
  const fields = parse(payload, { maxBytes: 64 * 1024 });
  ROOT(fields);
  const keys = new Map();
  for (const [id, row] of Object.entries(fields.keys)) {
    const key = loadKey(base64(row.public));
    if (key.id !== id) refuse("json", "a key id is not the key's hash");
    keys.set(id, key);
  }
  const seen = new Set();
  const members = (row) =>
    row.keyids.map((id) => {
      if (!keys.has(id)) refuse("json", "an unknown key");
      if (seen.has(id)) refuse("json", "a key in two roles");
      seen.add(id);
      return keys.get(id);
    });
  const roles = {};
  for (const [called, row] of Object.entries(fields.roles)) {
    roles[called] = { keys: members(row), threshold: row.threshold };
    if (row.threshold > roles[called].keys.length) refuse("json", "a threshold above the number of keys");
  }
  for (const row of Object.values(fields.issuers ?? {})) members(row);
  const life = fields.not_after - fields.issued;
  if (life <= 0 || life > 3653 * DAY) refuse("json", "the root's times");
  return { ...fields, roles, digest: hex(sha256(payload)) };
}

function readRoot(data) {
  const [envelope, root] = at("root-form", () => {
    const read = readEnvelope(data);
    return [read, rootOf(read.payload)];
  });
  at("root-signatures", () => verify(envelope, TYPE("root"), root.roles.root.keys, root.roles.root.threshold));
  return root;
}

function follow(pinned, updates) {
  if (updates.length > 64) refuse("root-step", "more than 64");
  let current = pinned;
  for (const data of updates) {
    const following = at("root-step", () => readRoot(data));
    if (following.version !== current.version + 1 || following.name !== current.name) refuse("root-step", "not the next version");
    at("root-step", () => verify(readEnvelope(data), TYPE("root"), current.roles.root.keys, current.roles.root.threshold));
    current = following;
  }
  return current;
}

const inTime = (step, statement, now) => {
  if (!(now < statement.not_after)) refuse(step, "expired");
  if (!(now >= statement.issued - SKEW)) refuse(step, "not yet");
};

const madeFor = (step, statement, root) => {
  if (statement.name !== root.name || statement.root_version !== root.version) refuse(step, "made for another root");
};

function signed(what, data, shape, keys, threshold, maxBytes) {
  const envelope = typeof data === "object" && !Buffer.isBuffer(data) ? data : at(`${what}-form`, () => readEnvelope(data));
  const payload = at(`${what}-signatures`, () => verify(envelope, TYPE(what), keys, threshold));
  const fields = at(`${what}-form`, () => {
    const read = parse(payload, { maxBytes });
    shape(read);
    return read;
  });
  return { ...fields, digest: hex(sha256(payload)) };
}

function tableOf(bodies, release) {
  const named = new Map(release.tables.map((row) => [`${row.size}:${row.sha256}`, row.schema]));
  const found = new Map();
  for (const body of bodies) {
    const schema = named.get(`${body.length}:${hex(sha256(body))}`);
    if (schema === undefined) refuse("table-digest", "a body that the release does not name");
    found.set(schema, body);
  }
  const known = release.tables.map((row) => row.schema).filter((schema) => schema <= 1);
  if (!known.length || !found.has(Math.max(...known))) refuse("table-digest", "no table of a known schema");
  return at("table-form", () => {
    const table = parse(found.get(Math.max(...known)), { maxBytes: 7000000 });
    TABLE(table);
    if (new Set(table.routes.map((row) => row.id)).size !== table.routes.length) refuse("json", "an id stands twice");
    checkGuards(table);
    checkPrices(table);
    return table;
  });
}

function order(earlier, found) {
  if (earlier && found && (found.version < earlier.version || (found.version === earlier.version && found.digest !== earlier.digest))) {
    refuse("rollback", "older than, or another than, what was accepted before");
  }
}

export function verifyTrust(files, { pinned, now, earlier, leastVersion }) {
  if (hex(sha256(files.root)) !== pinned) refuse("root-pin", "another file than the pinned one");
  const root = follow(readRoot(files.root), files.updates);
  if (root.name.startsWith("local/")) refuse("root-local", "made for one process");
  inTime("root-time", root, now);

  const [envelope, bodies] = at("bundle-form", () => {
    const bundle = readFile(files.bundle, 10000000);
    BUNDLE(bundle);
    return [envelopeOf(bundle.release), bundle.tables.map(base64)];
  });
  const release = signed("release", envelope, RELEASE, root.roles.table.keys, root.roles.table.threshold, 2048);
  const distinct = (values) => new Set(values).size === values.length;
  if (!distinct(release.tables.map((row) => row.schema)) || !distinct(release.tables.map((row) => row.sha256))) refuse("release-form", "a table twice");
  if (release.not_after <= release.issued) refuse("release-form", "times");
  madeFor("release-root", release, root);
  if (release.not_after - release.issued > (root.roles.status ? 90 : 7) * DAY) refuse("release-life", "too long");
  const table = tableOf(bodies, release);

  let status = null;
  if (files.status === null) {
    if (root.roles.status) refuse("status-missing", "the root has a status role");
  } else {
    if (!root.roles.status) refuse("status-unexpected", "nobody may sign a status");
    status = signed("status", files.status, STATUS, root.roles.status.keys, root.roles.status.threshold, 64 * 1024);
    const life = status.not_after - status.issued;
    if (life <= 0 || life > 7 * DAY) refuse("status-form", "times");
    madeFor("status-root", status, root);
    if (status.release.version !== release.version || status.release.digest !== release.digest) refuse("status-release", "another release");
    const ids = new Set(table.routes.map((row) => row.id));
    if (!status.halted.every((id) => ids.has(id))) refuse("status-halted", "no such row");
  }
  let listed = null;
  if (files.revocations !== null) {
    listed = signed("revocations", files.revocations, REVOCATIONS, root.roles.table.keys, root.roles.table.threshold, 64 * 1024);
    madeFor("revocations-root", listed, root);
    if (!(now >= listed.issued - SKEW)) refuse("revocations-time", "not yet");
  }

  order(earlier?.root, root);
  order(earlier?.table, release);
  order(earlier?.status, status);
  order(earlier?.revocations, listed);
  const floor = Math.max(earlier?.floor_time ?? 0, release.issued, status?.issued ?? 0, listed?.issued ?? 0);
  const inGrace = release.not_after <= now && now < release.not_after + (root.grace_hours ?? 0) * 3600;
  if (!inGrace) inTime("table-time", release, now);
  if (status) inTime("status-time", status, now);
  if (!(now >= floor - SKEW)) refuse("floor", "the clock was set back");
  if (leastVersion !== null && release.version < leastVersion) refuse("table-version", "below min_table_version");
  return { root, release, table, status, listed };
}
