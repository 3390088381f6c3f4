import { CST, Lexer } from "yaml";

/** Deeper than anything that a person writes. */
export const maxDepth = 64;

/** Where a line may begin at most. A level takes a column or more, so this bounds the depth of blocks. */
const maxIndent = 1024;

/**
 * Where a text nests too deep to be given to the parser, which calls itself for each level: at ten thousand levels the process would end, with
 * no error to catch. The lexer goes through it flat. What is not too deep by this rough measure is measured exactly when it is a tree.
 */
export function findDeepNesting(text: string): number | undefined {
  let offset = 0;
  let flows = 0;
  let indicators = 0;
  let lineStart = true;
  let content = false;
  for (const token of new Lexer().lex(text)) {
    const type: CST.TokenType | "content" | null = content ? "content" : CST.tokenType(token);
    content = type === "scalar";
    if (content || type === "doc-mode" || type === "flow-error-end") continue; // marks of the lexer, not of the text
    if (type === "flow-map-start" || type === "flow-seq-start") flows++;
    if (type === "flow-map-end" || type === "flow-seq-end") flows--;
    if (flows <= 0 && (type === "seq-item-ind" || type === "explicit-key-ind" || type === "map-value-ind")) indicators++;
    if (flows > maxDepth || indicators > maxDepth || (lineStart && type === "space" && token.length > maxIndent)) return offset;
    lineStart = token.endsWith("\n");
    if (lineStart) indicators = 0;
    offset += token.length;
  }
  return undefined;
}
