/**
 * The few forms of DER, ASN.1's byte encoding (X.690), that a certificate is made of.
 * Node's crypto reads certificates but makes none.
 */

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag, length, content. */
export function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content]);
}

function lengthOf(content: Buffer): Buffer {
  if (content.length < 0x80) {
    return Buffer.from([content.length]);
  }
  const digits = content.length.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export function sequence(...items: readonly Buffer[]): Buffer {
  return element(TAG.sequence, Buffer.concat(items));
}

export function set(...items: readonly Buffer[]): Buffer {
  return element(TAG.set, Buffer.concat(items));
}

/** A non-negative integer of any size: a leading zero keeps the sign bit clear. */
export function integer(bytes: Buffer): Buffer {
  const negative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return element(TAG.integer, negative ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

export function boolean(value: boolean): Buffer {
  return element(TAG.boolean, Buffer.from([value ? 0xff : 0]));
}

/** A string of bits of which the last `unused` do not count. */
export function bitString(bytes: Buffer, unused = 0): Buffer {
  return element(TAG.bitString, Buffer.concat([Buffer.from([unused]), bytes]));
}

export function octetString(bytes: Buffer): Buffer {
  return element(TAG.octetString, bytes);
}

export function utf8String(text: string): Buffer {
  return element(TAG.utf8String, Buffer.from(text, "utf8"));
}

/** Seconds are the finest a certificate may tell. */
export function generalizedTime(date: Date): Buffer {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:T]/g, "");
  return element(TAG.generalizedTime, Buffer.from(digits, "ascii"));
}

/** "2.5.4.3" and the like: the first two numbers share a byte, the others take 7 bits a byte. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest.flatMap(base128)];
  return element(TAG.objectId, Buffer.from(bytes));
}

function base128(value: number): number[] {
  const groups = [value & 0x7f];
  for (let left = value >>> 7; left > 0; left >>>= 7) {
    groups.unshift((left & 0x7f) | 0x80);
  }
  return groups;
}

/** Context-specific tag [n]: around a constructed value, or in place of a primitive's tag. */
export function context(number: number, content: Buffer, constructed = true): Buffer {
  return element(0x80 | (constructed ? 0x20 : 0) | number, content);
}
