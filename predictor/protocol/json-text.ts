/**
 * JSON text whose source matters: what JSON.parse has accepted, taken apart without rounding a
 * number. Nothing here checks the grammar again.
 */

/** Where the string that begins at `start` ends, its quotes included. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ;) {
    const end = text.indexOf('"', at);
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end + 1;
    at = end + 1;
  }
}

const blank = /[^ \t\n\r]/g;

/** The next character that is no white space. */
function pastBlanks(text: string, start: number): number {
  blank.lastIndex = start;
  return blank.test(text) ? blank.lastIndex - 1 : text.length;
}

const structure = /["[\]{}]/g;
const scalarEnd = /[,\]} \t\n\r]/g;

/** Where the value that begins at `start` ends. Without recursion: it may be nested to any depth. */
function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== "[" && text[start] !== "{") {
    scalarEnd.lastIndex = start;
    return scalarEnd.test(text) ? scalarEnd.lastIndex - 1 : text.length;
  }
  let depth = 0;
  for (let at = start; ;) {
    structure.lastIndex = at;
    const found = structure.exec(text)?.[0];
    at = structure.lastIndex;
    if (found === '"') at = endOfString(text, at - 1);
    else if (found === "[" || found === "{") depth++;
    else depth--;
    if (depth === 0) return at;
  }
}

/**
 * The source of a member of the object that the text is; of several of the name the last one, as
 * JSON.parse takes it. Undefined when there is none.
 */
export function memberSource(text: string, name: string): string | undefined {
  let source;
  let at = pastBlanks(text, pastBlanks(text, 0) + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at);
    const key: unknown = JSON.parse(text.slice(at, keyEnd));
    const start = pastBlanks(text, pastBlanks(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    if (key === name) source = text.slice(start, end);
    at = pastBlanks(text, end);
    if (text[at] === ",") at = pastBlanks(text, at + 1);
  }
  return source;
}
