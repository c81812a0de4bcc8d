/** Memory and load of NVIDIA's devices under Triton's names, as `nvidia-smi` tells them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

export type Device = {
  readonly uuid: string;
  readonly usedBytes: number;
  readonly totalBytes: number;
  /** 0 to 1; absent where the device does not say (a slice of one, for instance). */
  readonly utilization: number | undefined;
};

const query = ["uuid", "memory.used", "memory.total", "utilization.gpu"];
const timeoutMs = 2000;
const mebibyte = 1024 * 1024;

/** Devices from the answer of `nvidia-smi --format=csv,noheader,nounits`; memory there is in MiB. */
export function parseDevices(csv: string): Device[] {
  return csv.split("\n").flatMap((line) => {
    const [uuid = "", used, total, load] = line.split(",").map((cell) => cell.trim());
    const [usedMiB, totalMiB, percent] = [Number(used), Number(total), Number(load)];
    if (!uuid.startsWith("GPU-") && !uuid.startsWith("MIG-")) return [];
    if (!Number.isFinite(usedMiB) || !Number.isFinite(totalMiB)) return [];
    return {
      uuid,
      usedBytes: usedMiB * mebibyte,
      totalBytes: totalMiB * mebibyte,
      utilization: Number.isFinite(percent) ? percent / 100 : undefined,
    };
  });
}

/** None where there is no nvidia-smi: NVIDIA's container runtime puts it there (capability utility). */
async function readDevices(): Promise<Device[]> {
  const args = [`--query-gpu=${query.join(",")}`, "--format=csv,noheader,nounits"];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", args, { timeout: timeoutMs });
    return parseDevices(stdout);
  } catch {
    return [];
  }
}

/** Adds the gauges; the devices are asked once a scrape. `read` is for tests. */
export function addDeviceMetrics(registry: Registry, read = readDevices): void {
  let asked: Promise<Device[]> | undefined;
  // A registry collects all of its metrics at once: the gauges share one answer.
  const devices = async (): Promise<Device[]> => {
    asked ??= read().finally(() => (asked = undefined));
    return asked;
  };
  const add = (
    name: string,
    help: string,
    valueOf: (device: Device) => number | undefined,
  ): void => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: ["gpu_uuid"],
      registers: [registry],
      collect: async () => {
        for (const device of await devices()) {
          const value = valueOf(device);
          if (value !== undefined) gauge.set({ gpu_uuid: device.uuid }, value);
        }
      },
    });
  };
  add("nv_gpu_memory_used_bytes", "Memory in use on the device", (device) => device.usedBytes);
  add("nv_gpu_memory_total_bytes", "Memory of the device", (device) => device.totalBytes);
  add("nv_gpu_utilization", "Share of time in which it computed", (device) => device.utilization);
}
