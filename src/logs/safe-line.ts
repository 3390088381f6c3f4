// A terminal obeys what it is sent, and a line of a log may hold anything. pmctl has a rule for this and shares no code with pmd; these are the
// same few lines, and a test holds the two together.

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the very thing to find
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const colors = /\u001b\[[\d;:]*m/g;

/** A line that may go to a terminal: colours vanish, a tab is a tab, and other control characters become visible. */
export function safeLine(line: string): string {
  const pieces = line.replace(/\r$/, "").split("\t");
  return pieces.map((piece) => piece.replace(colors, "").replace(unsafe, visible)).join("\t");
}

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  if (code === 0x7f) return "^?";
  return code < 0xa0 ? `\\x${code.toString(16)}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
