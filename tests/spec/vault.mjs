// The vault file, as docs/spec/vault.md says. Argon2id is not in every Node, so the root key is given; all else follows from it here.
import crypto from "node:crypto";
import { at, base64, canonical, list, parse, record, refuse, sha256, text, whole, word } from "./signing.mjs";

const TAG = "saferoute vault v1 ";
const bytes = (size) => (value) => {
  if (base64(value).length !== size) refuse("form", `${size} bytes`);
};
const KDF = record({ iterations: whole(3, 10), lanes: whole(1, 16), memory_kib: whole(65536, 1048576), name: word("argon2id"), salt: bytes(16) });
const ORIGIN = /^https?:\/\/(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?$/;
const sortedOnce = (values) => values.every((value, n) => n === 0 || Buffer.compare(Buffer.from(values[n - 1]), Buffer.from(value)) < 0);
const RECORD = record(
  {
    commitment: bytes(32),
    data: (value) => {
      const { length } = base64(value);
      if (length <= 16 || length > 2 * 16384 + 1 + 16) refuse("form", "an impossible length");
    },
    name: text(/^[a-z0-9]+(?:[._/-][a-z0-9]+)*$/, 128), nonce: bytes(12), origins: list(text(ORIGIN, 300), 16, 1, true), revision: whole(1, 2 ** 31), salt: bytes(16),
  },
  { until: whole(1, 2 ** 40) },
);
const VAULT = record({ check: bytes(32), kdf: KDF, mac: bytes(32), records: list(RECORD, 1000), schema: whole(1, 1) });

/** RFC 5869 with SHA-256; Node's own allows an info of 1,024 bytes only. */
function hkdf(key, salt, info, length) {
  const pseudo = crypto.createHmac("sha256", salt).update(key).digest();
  let last = Buffer.alloc(0);
  let out = Buffer.alloc(0);
  for (let n = 1; out.length < length; n += 1) {
    last = crypto.createHmac("sha256", pseudo).update(Buffer.concat([last, info, Buffer.from([n])])).digest();
    out = Buffer.concat([out, last]);
  }
  return out.subarray(0, length);
}

const halves = (root, salt, info) => {
  const both = hkdf(root, salt, info, 64);
  return [both.subarray(0, 32), both.subarray(32)];
};
const bound = ({ name, origins, revision, until }) => canonical(until === undefined ? { name, origins, revision } : { name, origins, revision, until });

export function open(data, root) {
  const vault = at("form", () => {
    const read = parse(data, { maxBytes: 1000000 });
    VAULT(read);
    if (read.kdf.memory_kib < 8 * read.kdf.lanes) refuse("form", "less than 8 KiB a lane");
    if (!sortedOnce(read.records.map((row) => row.name)) || !read.records.every((row) => sortedOnce(row.origins))) refuse("form", "out of order");
    return read;
  });
  const header = TAG + canonical({ kdf: vault.kdf, schema: 1 });
  const [check, macKey] = halves(root, sha256(header), Buffer.from(`${TAG}check and mac`));
  if (!crypto.timingSafeEqual(check, base64(vault.check))) refuse("check", "another root key, or another head");
  const { mac, ...body } = vault;
  const expected = crypto.createHmac("sha256", macKey).update(`${TAG}file ${canonical(body)}`).digest();
  if (!crypto.timingSafeEqual(expected, base64(mac))) refuse("mac", "the file was altered");
  return { header, check, macKey, records: vault.records.map((row) => openRecord(row, root)) };
}

function openRecord(row, root) {
  const [key, commitment] = halves(root, base64(row.salt), Buffer.from(`${TAG}record ${bound(row)}`));
  if (!crypto.timingSafeEqual(commitment, base64(row.commitment))) refuse("commitment", "the record does not fit its words");
  const data = base64(row.data);
  let plain;
  try {
    const cipher = crypto.createDecipheriv("aes-256-gcm", key, base64(row.nonce), { authTagLength: 16 });
    cipher.setAAD(Buffer.from(TAG + bound(row)));
    cipher.setAuthTag(data.subarray(-16));
    plain = Buffer.concat([cipher.update(data.subarray(0, -16)), cipher.final()]).toString("latin1");
  } catch {
    refuse("decrypt", "the tag does not fit");
  }
  const keys = row.until === undefined ? [plain] : plain.split("\n");
  if (keys.length !== (row.until === undefined ? 1 : 2) || !keys.every((one) => /^[!-~]{1,16384}$/.test(one))) refuse("decrypt", "no key");
  return {
    name: row.name, secret: keys[0], previous: keys[1] ?? null, origins: row.origins, revision: row.revision, until: row.until ?? null,
    derived: { key, commitment },
  };
}
