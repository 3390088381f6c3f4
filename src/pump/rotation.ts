/**
 * How many bytes of the chunk still belong to this file; after them it is rotated and the rest goes to the next one. Files are cut between
 * lines and do not exceed the limit; a line longer than the limit is cut when it makes the file twice as long.
 */
export function bytesBeforeRotation(file: { readonly size: number; readonly midLine: boolean }, chunk: Buffer, limit: number): number {
  const room = limit - file.size;
  if (chunk.length <= room) return chunk.length;
  const wholeLines = room > 0 ? chunk.lastIndexOf(newline, room - 1) + 1 : 0;
  if (wholeLines > 0) return wholeLines;
  if (file.size > 0 && !file.midLine) return 0;
  const longestRoom = Math.max(0, room + limit);
  const lineEnd = chunk.indexOf(newline) + 1;
  return lineEnd > 0 && lineEnd <= longestRoom ? lineEnd : Math.min(chunk.length, longestRoom);
}

export const newline = 0x0a;
