import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Registry } from "prom-client";
import { addDeviceMetrics, parseDevices } from "./device-metrics.ts";

const said = "GPU-1f0c, 1024, 81559, 37\nGPU-2a9d, 12, 40960, [N/A]\n\nNo devices were found\n";

describe("device metrics", () => {
  it("reads what nvidia-smi says, in bytes and shares", () => {
    assert.deepEqual(parseDevices(said), [
      {
        uuid: "GPU-1f0c",
        usedBytes: 1024 * 1024 * 1024,
        totalBytes: 81_559 * 1024 * 1024,
        utilization: 0.37,
      },
      {
        uuid: "GPU-2a9d",
        usedBytes: 12 * 1024 * 1024,
        totalBytes: 40_960 * 1024 * 1024,
        utilization: undefined,
      },
    ]);
  });

  it("shows all three of a device in one scrape, under Triton's names", async () => {
    const registry = new Registry();
    addDeviceMetrics(registry, async () => parseDevices(said));
    const text = await registry.metrics();
    for (const line of [
      'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1f0c"} 1073741824',
      'nv_gpu_memory_total_bytes{gpu_uuid="GPU-2a9d"} 42949672960',
      'nv_gpu_utilization{gpu_uuid="GPU-1f0c"} 0.37',
    ]) {
      assert(text.includes(line), `${line} is missing in\n${text}`);
    }
    assert(!text.includes('nv_gpu_utilization{gpu_uuid="GPU-2a9d"}'));
  });

  it("shows none where there is no device", async () => {
    const registry = new Registry();
    addDeviceMetrics(registry);
    assert(!(await registry.metrics()).includes("gpu_uuid="));
  });
});
