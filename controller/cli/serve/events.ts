/** What happens while serving, as data; and how a line says it to people and to machines. Pure. */
import { formatDuration } from "../../duration.ts";

interface OfService {
  readonly service: string;
}

interface OfReplica extends OfService {
  readonly replica: number;
}

/** Everything that serve reports. `level` of a line follows from the kind of event. */
export type ServeEvent =
  | { readonly event: "listening"; readonly url: string; readonly predictor: string }
  | ({
      readonly event: "serving";
      readonly url: string;
      readonly minReplicas: number;
      readonly maxReplicas: number;
    } & OfService)
  | { readonly event: "notice"; readonly service?: string; readonly message: string }
  | ({ readonly event: "cold-start"; readonly waiting: number } & OfService)
  | ({
      readonly event: "ready";
      readonly pid: number;
      readonly tookMs: number;
      readonly waiting: number;
    } & OfReplica)
  | ({
      readonly event: "scaled";
      readonly from: number;
      readonly to: number;
      readonly why: string;
    } & OfService)
  | ({ readonly event: "scaled-to-zero"; readonly idleMs: number } & OfService)
  | ({
      readonly event: "crashed";
      readonly reason: string;
      readonly message: string;
      readonly exitCode?: number;
      readonly signal?: string;
      readonly restartInMs: number;
      /** Requests that were being worked on and are answered 503. */
      readonly lost: number;
    } & OfReplica)
  | ({ readonly event: "refused"; readonly count: number; readonly message: string } & OfService)
  | ({ readonly event: "timed-out"; readonly count: number; readonly message: string } & OfService)
  | ({ readonly event: "killed"; readonly afterMs: number } & OfReplica)
  | ({ readonly event: "output"; readonly line: string } & OfReplica)
  | { readonly event: "draining"; readonly cause: string; readonly inside: number }
  | { readonly event: "stopped"; readonly tookMs: number };

export type Report = (event: ServeEvent) => void;

export type LogFormat = "text" | "json";

type Mood = "good" | "bad" | "busy" | "plain";

const COLOUR: Readonly<Record<Mood, string>> = {
  good: "\u001b[32m",
  bad: "\u001b[31m",
  busy: "\u001b[33m",
  plain: "",
};
const FAINT = "\u001b[2m";
const RESET = "\u001b[0m";

export interface LineStyle {
  readonly colour: boolean;
  /** Width of the column of service names. */
  readonly nameWidth: number;
}

/** One line of text: time since the start, service, what happened. */
export function textLine(event: ServeEvent, elapsedMs: number, style: LineStyle): string {
  const time = `${(elapsedMs / 1000).toFixed(2)}s`.padStart(9);
  const service = "service" in event ? (event.service ?? "") : "";
  const name = service.padEnd(style.nameWidth);
  const text = printable(sentence(event));
  if (!style.colour) {
    return `${time}  ${name}  ${text}`;
  }
  const colour = COLOUR[mood(event)];
  return `${FAINT}${time}${RESET}  ${name}  ${colour}${text}${colour === "" ? "" : RESET}`;
}

/** One line of JSON: `time` (RFC 3339), `elapsedMs`, `level`, and the event's own fields. */
export function jsonLine(event: ServeEvent, elapsedMs: number, now: Date): string {
  const bad = mood(event) === "bad";
  const elapsed = Math.round(elapsedMs * 10) / 10;
  return JSON.stringify({
    time: now.toISOString(),
    elapsedMs: elapsed,
    level: bad ? "error" : "info",
    ...event,
  });
}

function sentence(event: ServeEvent): string {
  switch (event.event) {
    case "listening":
      return `listening on ${event.url}`;
    case "serving":
      return `${event.minReplicas === 0 ? "at zero, the first request starts it" : `starting ${event.minReplicas}`}: ${event.url}`;
    case "notice":
      return event.message;
    case "cold-start":
      return `cold start began${event.waiting > 0 ? `, ${requests(event.waiting)} held` : ""}`;
    case "ready":
      return `process ${event.replica} ready after ${formatDuration(event.tookMs)} (pid ${event.pid})${event.waiting > 0 ? `, ${requests(event.waiting)} let in` : ""}`;
    case "scaled":
      return `scaled ${event.to > event.from ? "up" : "down"} from ${event.from} to ${event.to}: ${event.why}`;
    case "scaled-to-zero":
      return `scaled to zero after ${formatDuration(event.idleMs)} without a request`;
    case "crashed":
      return `process ${event.replica} crashed: ${event.reason}: ${event.message}${event.lost > 0 ? `; ${requests(event.lost)} answered 503` : ""}; ${restart(event.restartInMs)}`;
    case "refused":
      return `${requests(event.count)} answered 503: ${event.message}`;
    case "timed-out":
      return `${requests(event.count)} answered 504: ${event.message}`;
    case "killed":
      return `process ${event.replica} killed: still there ${formatDuration(event.afterMs)} after SIGTERM`;
    case "output":
      return `${event.replica} | ${event.line}`;
    case "draining":
      return `${event.cause}: no new requests; ${event.inside === 0 ? "none in flight" : `${requests(event.inside)} in flight`}; once more ends at once`;
    case "stopped":
      return `stopped after ${formatDuration(event.tookMs)}`;
  }
}

function requests(count: number): string {
  return count === 1 ? "1 request" : `${count} requests`;
}

function restart(inMs: number): string {
  return inMs === 0 ? "started again when needed" : `not started again for ${formatDuration(inMs)}`;
}

function mood(event: ServeEvent): Mood {
  switch (event.event) {
    case "ready":
      return "good";
    case "crashed":
    case "refused":
    case "timed-out":
    case "killed":
      return "bad";
    case "cold-start":
    case "scaled":
    case "notice":
    case "draining":
      return "busy";
    default:
      return "plain";
  }
}

/** What a predictor said may hold anything; a terminal gets no control characters from it. */
function printable(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " / ").replaceAll(/\p{Cc}/gu, "?");
}
