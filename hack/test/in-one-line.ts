/** Longer messages lose their middle: a command's line begins them, what it said last ends them. */
const LENGTH_MAX = 1000;
const HEAD_LENGTH = 400;

/**
 * An error's message as one line of a log, its lines joined by " | ": whoever sees only the end of a
 * long log still learns why, not only what.
 */
export function inOneLine(message: string): string {
  const lines = message.split("\n").map((line) => line.trim());
  const whole = lines.filter((line) => line !== "").join(" | ");
  if (whole.length <= LENGTH_MAX) {
    return whole;
  }
  return `${whole.slice(0, HEAD_LENGTH)} ... ${whole.slice(HEAD_LENGTH - LENGTH_MAX)}`;
}
