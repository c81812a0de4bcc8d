import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBinary } from "../../go/build.ts";
import { stopProcess } from "../daemon.ts";
import { answersHttp, loopbackHost, startOnFreePort, type Host } from "./host.ts";

export interface S3Options {
  /** Each folder in it is a bucket, each file in those an object. */
  readonly folder: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Loopback unless told otherwise; clusterHost(cluster) for pods. */
  readonly host?: Host;
}

export interface S3Server {
  /** For AWS_ENDPOINT_URL_S3: path-style addressing, no TLS. */
  readonly endpoint: string;
  readonly logPath: string;
  readonly stop: () => Promise<void>;
}

const HEALTH = "/health";

/**
 * Starts a real S3 server (versitygw) over a folder. Signed requests are answered, others and
 * those with wrong keys are refused. The first start on a machine builds it, which takes minutes.
 */
export async function startS3(options: S3Options): Promise<S3Server> {
  const host = options.host ?? loopbackHost();
  const command = await ensureBinary("versitygw");
  const work = await mkdtemp(join(tmpdir(), "pls3-"));
  await mkdir(options.folder, { recursive: true });
  const logPath = join(work, "versitygw.log");
  const listen = (port: number): string => `${host.address}:${port}`;
  try {
    const { daemon, port } = await startOnFreePort(
      async (port) =>
        host.startServer({
          name: "versitygw",
          command,
          args: ["--port", listen(port), "--health", HEALTH, "posix", options.folder],
          env: {
            ROOT_ACCESS_KEY: options.accessKey,
            ROOT_SECRET_KEY: options.secretKey,
          },
          logPath,
        }),
      async (port) => answersHttp(host, `http://${listen(port)}${HEALTH}`),
    );
    return {
      endpoint: `http://${listen(port)}`,
      logPath,
      stop: async () => {
        await stopProcess(daemon);
        await rm(work, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}
