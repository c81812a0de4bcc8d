/** Something that does not stop a service, but that its owner should know. */
export interface Warning {
  /** PascalCase, stable; listed in docs/api/inferenceservice.md. */
  readonly reason: string;
  /** What is odd, where, and what to do. */
  readonly message: string;
}
