// Names, commands and log lines come from services, and a terminal obeys what it is sent: an escape sequence in a log line could rename the
// window, write to the clipboard or hide what really happened. So nothing of it is shown as it came, unless the user asked for raw bytes.

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the very thing to find
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const unsafeOnes = new RegExp(unsafe, "g");
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const colors = /\u001b\[[\d;:]*m/g;

/** Text that may go to a terminal: on one line, and without effect. Colours vanish, other control characters become visible. */
export function safeText(text: string): string {
  return unsafe.test(text) ? text.replace(colors, "").replace(unsafeOnes, visible) : text;
}

/** The same for a line of a log, where a tab is a tab, and a carriage return before the newline says nothing. */
export function safeLine(line: string): string {
  return unsafe.test(line) ? line.replace(/\r$/, "").split("\t").map(safeText).join("\t") : line;
}

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  if (code === 0x7f) return "^?";
  return code < 0xa0 ? `\\x${code.toString(16)}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
