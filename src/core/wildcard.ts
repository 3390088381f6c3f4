/** `*` is any text, `?` any one character, and nothing else is special. */
export function hasWildcard(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

/** In time proportional to both lengths at worst: patterns come from users, and a regular expression made of one could stall pmd. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let starText = 0;
  let p = 0;
  while (at < text.length) {
    if (p < pattern.length && pattern[p] === "*") {
      star = p++;
      starText = at;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[at])) {
      p++;
      at++;
    } else if (star >= 0) {
      // The last star takes one character more, and what follows it is tried again.
      p = star + 1;
      at = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
