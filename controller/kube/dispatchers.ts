/**
 * One connection pool per purpose, replaced when the certificates behind it change. client-node
 * opens a TLS connection for each request instead; memoising its dispatcher would pin the CA of the
 * start.
 */
import { createHash } from "node:crypto";
import { Agent, ProxyAgent, type Dispatcher } from "undici";
import type { Credentials } from "./credentials.ts";

/**
 * Pools that still serve a watch after their successor took over; watches end within ten minutes.
 */
const RETIRED_MAX = 4;
const CONNECT_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 15_000;
/** Longer than a candidate waits between two looks at the lease: it need not connect each time. */
const IDLE_MS = 30_000;

export interface Dispatchers {
  /**
   * The pool for these credentials: the current one unless the server or its TLS material changed.
   */
  forCredentials(credentials: Credentials): Dispatcher;
  /**
   * The peer of these connections seems to have vanished: later calls open new ones, running calls
   * finish on the old. Only the first complaint about the same connections counts.
   */
  suspect(dispatcher: Dispatcher | undefined): void;
  close(): Promise<void>;
}

export function createDispatchers(): Dispatchers {
  let current: { readonly key: string; readonly dispatcher: Dispatcher } | undefined;
  const retired = new Set<Dispatcher>();

  const retire = (): void => {
    if (current === undefined) return;
    const { dispatcher } = current;
    current = undefined;
    retired.add(dispatcher);
    void dispatcher
      .close()
      .catch(() => undefined)
      .then(() => retired.delete(dispatcher));
    const [oldest] = retired;
    if (retired.size > RETIRED_MAX && oldest !== undefined) {
      retired.delete(oldest);
      void oldest.destroy(new Error("superseded by newer connections")).catch(() => undefined);
    }
  };

  return {
    forCredentials(credentials) {
      const key = fingerprint(credentials);
      if (current?.key === key) return current.dispatcher;
      retire();
      const dispatcher = createDispatcher(credentials);
      current = { key, dispatcher };
      return dispatcher;
    },
    suspect(dispatcher) {
      if (dispatcher !== undefined && dispatcher === current?.dispatcher) retire();
    },
    async close() {
      const all = [...retired, ...(current === undefined ? [] : [current.dispatcher])];
      current = undefined;
      retired.clear();
      await Promise.all(all.map((dispatcher) => dispatcher.destroy().catch(() => undefined)));
    },
  };
}

function fingerprint(credentials: Credentials): string {
  const { server, tls, proxyUrl } = credentials;
  const material = [server.origin, proxyUrl ?? "", tls.ca, tls.cert, tls.key, tls.servername];
  return createHash("sha256")
    .update(JSON.stringify([...material, tls.rejectUnauthorized]))
    .digest("hex");
}

function createDispatcher({ tls, proxyUrl }: Credentials): Dispatcher {
  const shared = {
    allowH2: true,
    h2Options: { pingInterval: PING_INTERVAL_MS },
    // Deadlines are ours, one per call; a watch is silent for a minute and that is fine.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: IDLE_MS,
  };
  if (proxyUrl !== undefined) {
    if (!/^https?:/.test(proxyUrl)) {
      throw new Error(`proxy-url ${proxyUrl} of the kubeconfig: only http and https are supported`);
    }
    return new ProxyAgent({ ...shared, uri: proxyUrl, requestTls: { ...tls } });
  }
  return new Agent({
    ...shared,
    connect: {
      ...tls,
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: PING_INTERVAL_MS,
    },
  });
}
