/** A shell line that writes so many numbered lines as fast as it can, in chunks that end anywhere in a line. */
export function flood(lines: number): string {
  return `exec seq ${firstNumber} ${firstNumber + lines - 1}`;
}

/** The same without end, at some 100 MB/s: what it writes can be read again by a test. */
export const endlessFlood = `exec awk 'BEGIN { for (i = 100000000; ; i++) print i }'`;

export const firstNumber = 100_000_000;
export const floodLineBytes = 10;

/** What such a shell line writes. */
export function floodOutput(lines: number): Buffer {
  const output = Buffer.allocUnsafe(lines * floodLineBytes);
  for (let i = 0; i < lines; i++) output.write(`${firstNumber + i}\n`, i * floodLineBytes, "latin1");
  return output;
}
