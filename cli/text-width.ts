// How many cells of a terminal a text takes. Exact for what names and commands are made of; for the rarer scripts a close guess, because
// terminals themselves disagree about them.

const printableAscii = /^[\x20-\x7e]*$/;
const zeroWidth = /\p{Mark}|\p{Cf}/u;
const doubleWidth =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

export function textWidth(text: string): number {
  if (printableAscii.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Cuts what is too wide, and says so with an ellipsis. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let fitted = "";
  let used = 1;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    fitted += character;
  }
  return width > 0 ? `${fitted.trimEnd()}…` : "";
}

export function padText(text: string, width: number, align: "left" | "right" = "left"): string {
  const padding = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "left" ? text + padding : padding + text;
}

function characterWidth(character: string): number {
  if (zeroWidth.test(character)) return 0;
  return doubleWidth.test(character) ? 2 : 1;
}
