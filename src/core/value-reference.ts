// The value of a variable may say where the value is, so that a secret is in no file of services, no store and no answer:
//   @file:///run/secrets/key   the content of a file, without the newline at its end
//   @base64://…, @hex://…      the bytes that this stands for: they hide nothing, and spare quotes
// It is read when a process is started. Any other @ is one, and @@file:// is the text @file://.

export type ValueReference = { readonly kind: "file"; readonly path: string } | { readonly kind: "base64" | "hex"; readonly text: string };

/** What it stands for has at most so many bytes. */
export const maxReferencedBytes = 64 * 1024;

export function parseReference(value: string): ValueReference | undefined {
  const [, kind, rest = ""] = /^@(file|base64|hex):\/\/(.*)$/s.exec(value) ?? [];
  if (kind === "file") return { kind, path: rest };
  return kind === "base64" || kind === "hex" ? { kind, text: rest } : undefined;
}

/** The value of what is no reference. */
export function literalValue(value: string): string {
  return value.replace(/^@(?=@+(?:file|base64|hex):\/\/)/, "");
}

/** What can be said against it without looking; never with what it says. */
export function faultOfReference(reference: ValueReference): string | undefined {
  switch (reference.kind) {
    case "file":
      return reference.path === "" ? "names no file: write a path after @file://" : undefined;
    case "base64":
      if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(reference.text) || reference.text.replace(/=+$/, "").length % 4 === 1)
        return "has no base64 after @base64://";
      return tooMuch(reference.text.replace(/=+$/, "").length * 0.75);
    case "hex":
      return /^([0-9A-Fa-f]{2})*$/.test(reference.text)
        ? tooMuch(reference.text.length / 2)
        : "has no hexadecimal digits after @hex://, two for each byte";
  }
}

function tooMuch(bytes: number): string | undefined {
  return bytes > maxReferencedBytes ? `stands for more than ${maxReferencedBytes} bytes` : undefined;
}
