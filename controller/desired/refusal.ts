/** A decision not to serve: a word for machines, a sentence for the person who can change it. */
export interface Refusal {
  /** PascalCase, stable; listed in docs/api/inferenceservice.md. */
  readonly reason: string;
  /** What is wrong, where, and what to do. */
  readonly message: string;
}

export function isRefusal(value: object): value is Refusal {
  return "reason" in value && "message" in value;
}
