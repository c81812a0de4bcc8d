/**
 * metav1.MicroTime: RFC 3339 with exactly six digits of fraction; the API server refuses any other
 * number.
 */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
