import { crc32, deflateRawSync } from "node:zlib";

/** One entry of a test's zip file; what is given besides name and content is a lie. */
export interface ZipEntry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly stored?: boolean;
  readonly crc?: number;
  readonly flags?: number;
  readonly method?: number;
  /** Mode of Unix, the kind of file included. */
  readonly mode?: number;
  /** Claims the place of the entry of this index. */
  readonly at?: number;
}

/** A zip file of these entries, however improper they are. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const entry of entries) {
    const content = Buffer.from(entry.content ?? "");
    const packed = entry.stored === true ? content : deflateRawSync(content);
    const name = Buffer.from(entry.name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(entry.flags ?? 0, 2);
    shared.writeUInt16LE(entry.method ?? (entry.stored === true ? 0 : 8), 4);
    shared.writeUInt32LE(entry.crc ?? crc32(content), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(content.length, 18);
    shared.writeUInt16LE(name.length, 22);
    offsets.push(offset);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), shared, name, packed]);
    parts.push(local);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6);
    rest.writeUInt32LE(offsets[entry.at ?? offsets.length - 1] ?? 0, 10);
    const head = Buffer.from("PK\u0001\u0002\u0014\u0003", "latin1");
    central.push(Buffer.concat([head, shared, rest, name]));
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", 0, "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, directory, end]);
}
