/** How slow a connection may be, and how many there may be: slow clients cost others nothing. */
export type ConnectionLimits = {
  /** For the headers of a request. */
  readonly headersMs: number;
  /** For a whole request, beyond the time of an inference. */
  readonly bodyGraceMs: number;
  /** A request or an answer of which nothing moves for so long is cut off. */
  readonly stallMs: number;
  /** How often the first two are looked at. */
  readonly checkMs: number;
  /** Connections at a time; one more is closed at once. */
  readonly connectionsMax: number;
};

export const connectionLimits: ConnectionLimits = {
  headersMs: 10_000,
  bodyGraceMs: 5000,
  stallMs: 60_000,
  checkMs: 5000,
  connectionsMax: 4096,
};
