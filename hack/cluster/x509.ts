import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { isIPv4 } from "node:net";
import * as der from "./der.ts";

/** A certificate and its key, both PEM. */
export interface Credential {
  readonly cert: string;
  readonly key: string;
}

/** One authority of a throw-away cluster: everything it signs is trusted there and nowhere else. */
export interface Authority {
  readonly cert: string;
  /** A client certificate: Kubernetes reads user and groups from it. */
  readonly issueClient: (user: string, groups?: readonly string[]) => Credential;
  /** A server certificate for these DNS names and IPv4 addresses. */
  readonly issueServer: (name: string, hosts: readonly string[]) => Credential;
}

interface Subject {
  readonly name: string;
  readonly groups: readonly string[];
}

interface Request {
  readonly subject: Subject;
  readonly issuer: Subject;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

const OID = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const VALIDITY_MS = 365 * 24 * 3_600_000;
/** Machines' clocks may lag behind the one that signs. */
const BACKDATE_MS = 3_600_000;

/** Bits of the keyUsage extension (RFC 5280, 4.2.1.3), from the most significant on. */
const KEY_USAGE_SIGN_CERTIFICATES = { bits: 0b0000_0110, unused: 1 };
const KEY_USAGE_DIGITAL_SIGNATURE = { bits: 0b1000_0000, unused: 7 };

/** A new authority with a key of its own. `clock` decides the year of validity. */
export function createAuthority(name: string, clock: () => Date = () => new Date()): Authority {
  const issuer: Subject = { name, groups: [] };
  const authorityKeys = newKeys();
  const issue = (request: Request): string => certify(request, authorityKeys.privateKey, clock());
  const cert = issue({
    subject: issuer,
    issuer,
    publicKey: authorityKeys.publicKey,
    extensions: [
      extension(OID.basicConstraints, der.sequence(der.boolean(true))),
      keyUsage(KEY_USAGE_SIGN_CERTIFICATES),
    ],
  });
  const leaf = (subject: Subject, extensions: readonly Buffer[]): Credential => {
    const keys = newKeys();
    const all = [keyUsage(KEY_USAGE_DIGITAL_SIGNATURE), ...extensions];
    return {
      cert: issue({ subject, issuer, publicKey: keys.publicKey, extensions: all }),
      key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  };
  return {
    cert,
    issueClient: (user, groups = []) => leaf({ name: user, groups }, [purpose(OID.clientAuth)]),
    issueServer: (server, hosts) =>
      leaf({ name: server, groups: [] }, [purpose(OID.serverAuth), alternativeNames(hosts)]),
  };
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** A signed certificate (RFC 5280, 4.1), PEM. */
function certify(request: Request, signer: KeyObject, now: Date): string {
  const algorithm = der.sequence(der.objectId(OID.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = der.sequence(
    der.context(0, der.integer(Buffer.from([2]))),
    der.integer(serial),
    algorithm,
    distinguishedName(request.issuer),
    der.sequence(
      der.generalizedTime(new Date(now.getTime() - BACKDATE_MS)),
      der.generalizedTime(new Date(now.getTime() + VALIDITY_MS)),
    ),
    distinguishedName(request.subject),
    request.publicKey.export({ type: "spki", format: "der" }),
    der.context(3, der.sequence(...request.extensions)),
  );
  const signed = der.sequence(body, algorithm, der.bitString(sign("sha256", body, signer)));
  const lines = signed.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function distinguishedName({ name, groups }: Subject): Buffer {
  const attribute = (id: string, value: string): Buffer =>
    der.set(der.sequence(der.objectId(id), der.utf8String(value)));
  return der.sequence(
    ...groups.map((group) => attribute(OID.organization, group)),
    attribute(OID.commonName, name),
  );
}

function extension(id: string, value: Buffer): Buffer {
  return der.sequence(der.objectId(id), der.octetString(value));
}

function keyUsage({ bits, unused }: { bits: number; unused: number }): Buffer {
  return extension(OID.keyUsage, der.bitString(Buffer.from([bits]), unused));
}

function purpose(id: string): Buffer {
  return extension(OID.extendedKeyUsage, der.sequence(der.objectId(id)));
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    isIPv4(host)
      ? der.context(7, Buffer.from(host.split(".").map(Number)), false)
      : der.context(2, Buffer.from(host, "ascii"), false),
  );
  return extension(OID.subjectAltName, der.sequence(...names));
}
