/** The thread that decodes large bodies and encodes large answers, so that nobody else waits. */
import { parentPort, resourceLimits } from "node:worker_threads";
import { getHeapStatistics } from "node:v8";
import { ServingError } from "../errors.ts";
import { taskParameters } from "../protocol/parameters.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { memoryOf } from "./memory.ts";
import type { FromBodies, ToBodies } from "./messages.ts";
import { buffersOf, doWork, isForTask } from "./work.ts";
import type { Given, Kind, Made } from "./work.ts";

/** Serves the other side until it ends the thread. */
export function runBodies(): void {
  const port = parentPort;
  port?.on("message", (work: ToBodies) => {
    const answer = answerTo(work);
    port.postMessage(answer, answer.type === "made" ? buffersOf(answer.made) : []);
  });
}

function answerTo(work: ToBodies): FromBodies {
  try {
    return { type: "made", made: make(work) };
  } catch (error) {
    if (error instanceof ServingError) {
      return { type: "failed", code: error.code, message: error.message };
    }
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { type: "failed", code: "failed", message: "an internal error", cause };
  }
}

/** V8 ends the process when JSON.parse fills the heap of a thread: let it not come to that. */
function checkMemory(body: Bytes, headerLength = body.byteLength): void {
  const { maxOldGenerationSizeMb: megabytes = Number.POSITIVE_INFINITY } = resourceLimits;
  const room = megabytes * 1024 * 1024 - getHeapStatistics().used_heap_size;
  if (memoryOf(body.subarray(0, headerLength)) <= 0.8 * room) return;
  throw new ServingError("too-large", "the values take more memory than there is: send less");
}

function make({ kind, given }: ToBodies): Made[Kind] {
  const isMessage = kind === "message" || kind === "message-json";
  if ("body" in given && !isMessage) {
    checkMemory(given.body, "headerLength" in given ? given.headerLength : undefined);
  }
  const made = doWork(kind, given);
  if (kind === "infer" || kind === "message") return lean(made as Made["infer"], given);
  // As bytes it changes hands without being copied once more.
  const isText = kind === "infer-answer" || kind === "predict-answer" || kind === "message-json";
  return isText ? new TextEncoder().encode(made as string) : made;
}

/** Without what nobody asks for: a request's parameters may be as large as its body. */
function lean(
  made: Made["infer"],
  { signatures }: Pick<Given["infer"], "signatures">,
): Made["infer"] {
  const { parameters, ...rest } = made;
  if (parameters === undefined) return made;
  const { priority, timeout } = parameters;
  const forTask = isForTask(
    signatures,
    made.inputs.map(({ name }) => name),
  );
  const own = forTask ? taskParameters(parameters) : {};
  return { ...rest, parameters: { ...own, ...scalars({ priority, timeout }) } };
}

/** Others are refused later, by name, and need not travel: null says enough. */
function scalars(values: Record<string, unknown>): Record<string, unknown> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [name, typeof value === "object" ? [] : value]),
  );
}
