/**
 * The one port: a request finds its service, waits for a process, goes through it, and is answered
 * within its time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { failureOf } from "./ending.ts";
import type { PredictorProcess } from "./predictor-process.ts";
import { exchange, type Exchange } from "./proxy.ts";
import { routeRequest, type Routable } from "./route.ts";
import type { Service } from "./service.ts";

/** How long a broken connection waits for the process's end, which tells why it broke. */
const REASON_WAIT_MS = 500;
/** How long a client may go on sending after its answer. */
const LINGER_MS = 5000;

export interface Backend extends Routable {
  readonly service: Service<PredictorProcess>;
}

/** The HTTP server of all services. */
export class Front {
  /** Not listening yet. */
  readonly server: Server;
  readonly #backends: readonly Backend[];
  readonly #open = new Set<ServerResponse>();
  readonly #allAnswered: (() => void)[] = [];

  constructor(backends: readonly Backend[]) {
    this.#backends = backends;
    // Each request has a deadline of its own.
    this.server = createServer({ requestTimeout: 0 }, (request, response) => {
      this.#answer(request, response);
    });
  }

  /** Resolves when the last byte of every answer has been handed to the system. */
  async answered(): Promise<void> {
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => this.#allAnswered.push(resolve));
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#open.add(response);
    response.on("close", () => {
      this.#open.delete(response);
      if (this.#open.size === 0) {
        this.#allAnswered.splice(0).forEach((resolve) => resolve());
      }
    });
    if (!this.server.listening) {
      // Draining: the client is to come back on another connection, which will be refused.
      response.shouldKeepAlive = false;
    }
    const route = routeRequest(this.#backends, request.headers.host, request.url ?? "/");
    if ("service" in route) {
      new Visit(route.service.service, request, response).begin();
    } else {
      answerError(request, response, { status: route.status, message: route.message });
    }
  }
}

/** The stay of one request. Every way out leads over the response's "close". */
class Visit {
  readonly #service: Service<PredictorProcess>;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #deadline: NodeJS.Timeout | undefined;
  #exchange: Exchange | undefined;
  #leave: () => void = () => undefined;
  #over = false;

  constructor(
    service: Service<PredictorProcess>,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#service = service;
    this.#request = request;
    this.#response = response;
  }

  begin(): void {
    const { timeoutSeconds } = this.#service.plan;
    this.#deadline = setTimeout(() => this.#onDeadline(), timeoutSeconds * 1000);
    this.#response.on("close", () => {
      clearTimeout(this.#deadline);
      this.#end(new Error("the client is gone"));
    });
    const leave = this.#service.enter({
      admit: (process) => void this.#pass(process),
      refuse: (refusal) => {
        answerError(this.#request, this.#response, { status: 503, ...refusal });
        this.#end();
      },
    });
    this.#leave = leave;
    if (this.#over) {
      leave();
    }
  }

  async #pass(process: PredictorProcess): Promise<void> {
    if (this.#over) {
      return;
    }
    this.#exchange = exchange(process.dispatcher, this.#request, this.#response);
    const error = await this.#exchange.done;
    if (error === undefined) {
      discardRest(this.#request);
    } else if (!this.#over) {
      await this.#answerBroken(process, error);
    }
    this.#end();
  }

  async #answerBroken(process: PredictorProcess, error: Error): Promise<void> {
    if (this.#response.headersSent) {
      // Half an answer must not look like a whole one.
      this.#response.destroy();
      return;
    }
    const ending = await Promise.race([
      process.ended,
      delay(REASON_WAIT_MS, undefined, { ref: false }),
    ]);
    if (this.#over) {
      return;
    }
    if (ending === undefined) {
      const message = `the predictor broke the connection: ${error.message}`;
      answerError(this.#request, this.#response, { status: 502, message });
      return;
    }
    const { reason, message } = failureOf(ending);
    const { name } = this.#service.plan;
    answerError(this.#request, this.#response, {
      status: 503,
      message: `the predictor of ${name} ended during this request: ${reason}: ${message}`,
      retryAfterSeconds: 1,
    });
  }

  #onDeadline(): void {
    const { timeoutSeconds } = this.#service.plan;
    const message = `not answered within ${timeoutSeconds} s, the service's timeout`;
    this.#service.noteTimeout();
    this.#end(new Error(message));
    if (this.#response.headersSent) {
      this.#response.destroy();
    } else {
      answerError(this.#request, this.#response, { status: 504, message });
    }
  }

  /** Gives the place in the service back; the answer's last bytes may still be on their way. */
  #end(abort?: Error): void {
    if (this.#over) {
      return;
    }
    this.#over = true;
    if (abort !== undefined) {
      this.#exchange?.abort(abort);
    }
    this.#leave();
  }
}

/**
 * Reads what is still coming of a request that is answered already. Closed at once with bytes
 * unread, the connection would be reset and the answer lost on its way.
 */
function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) {
    return;
  }
  request.unpipe();
  request.resume();
  const impatient = setTimeout(() => request.socket.destroy(), LINGER_MS).unref();
  request.once("close", () => clearTimeout(impatient));
}

interface ErrorAnswer {
  readonly status: number;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

/** An error in the predictor's own form. */
function answerError(
  request: IncomingMessage,
  response: ServerResponse,
  answer: ErrorAnswer,
): void {
  if (response.headersSent || response.destroyed) {
    return;
  }
  discardRest(request);
  const body = JSON.stringify({ error: answer.message });
  response.writeHead(answer.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(answer.retryAfterSeconds === undefined
      ? {}
      : { "retry-after": String(answer.retryAfterSeconds) }),
  });
  response.end(body);
}
