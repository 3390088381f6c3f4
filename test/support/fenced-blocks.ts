import { readFileSync } from "node:fs";

/** The blocks of a document that are marked as being in this language. */
export function fencedBlocks(path: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...readFileSync(path, "utf8").matchAll(fence)].map(([, block = ""]) => block);
}
