/** A zip archive of files as they are: what is in it is compressed already. */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const VERSION = 20;
const UTF8 = 0x0800;

const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * Return the checksum that zip asks for.
 * @param {Uint8Array} bytes
 */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * Write an archive.
 * @param {{name: string, bytes: Uint8Array}[]} files together below 4 GiB
 * @returns {Blob}
 */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const title = new TextEncoder().encode(name);
    const facts = [0, 0, 0x21, crc32(bytes), bytes.length, bytes.length]; // the first of 1980
    const local = header(LOCAL, [VERSION, UTF8, ...facts, title.length, 0]);
    parts.push(local, title, bytes);
    const place = [title.length, 0, 0, 0, 0, 0, offset];
    directory.push(header(CENTRAL, [VERSION, VERSION, UTF8, ...facts, ...place]), title);
    offset += local.length + title.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = header(END, [0, 0, files.length, files.length, size, offset, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Widths in bytes of each header's fields, after its signature. */
const WIDTHS = new Map([
  [LOCAL, [2, 2, 2, 2, 2, 4, 4, 4, 2, 2]],
  [CENTRAL, [2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4]],
  [END, [2, 2, 2, 2, 4, 4, 2]],
]);

/**
 * @param {number} signature
 * @param {number[]} fields
 */
function header(signature, fields) {
  const widths = WIDTHS.get(signature) ?? [];
  const view = new DataView(new ArrayBuffer(widths.reduce((sum, width) => sum + width, 4)));
  view.setUint32(0, signature, true);
  let at = 4;
  fields.forEach((field, index) => {
    if (widths[index] === 2) view.setUint16(at, field, true);
    else view.setUint32(at, field, true);
    at += widths[index];
  });
  return new Uint8Array(view.buffer);
}
