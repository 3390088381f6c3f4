import { create, type DescMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Violation } from "../errors.ts";
import { findMalformedValues } from "./malformed-values.ts";

// The rules stand in the proto; protovalidate reads them there. It takes its time to load and to compile what it finds, so it is loaded with
// the first message, or ahead of it: warm up after the socket listens.

export interface Validator {
  /** All that is wrong with a message; fields are spelled as in the proto. */
  validate<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): Promise<Violation[]>;
  /** Loads, and compiles the rules of these messages, with room between them for whoever is waiting. */
  warmUp(schemas: Iterable<DescMessage>): Promise<void>;
}

export function createValidator(): Validator {
  let loading: ReturnType<typeof load> | undefined;
  return {
    async validate(schema, message) {
      loading ??= load();
      const { check } = await loading;
      return check(schema, message);
    },
    async warmUp(schemas) {
      loading ??= load();
      const { check } = await loading;
      for (const schema of schemas) {
        await new Promise(setImmediate);
        check(schema, create(schema));
      }
    },
  };
}

async function load() {
  const [{ createValidator }, { pathToString }] = await Promise.all([import("@bufbuild/protovalidate"), import("@bufbuild/protobuf/reflect")]);
  const rules = createValidator();
  return {
    check(schema: DescMessage, message: Message): Violation[] {
      const malformed = findMalformedValues(schema, message);
      const result = rules.validate(schema, message);
      if (result.kind === "error") throw new Error(`cannot check ${schema.typeName} against its rules`, { cause: result.error });
      if (result.kind === "valid") return malformed;
      const broken = result.violations.map((violation) => ({
        field: pathToString(violation.field),
        message: explain(violation.message, violation.forKey ? lastKey(violation.field) : valueAt(message, violation.field)),
      }));
      return [...malformed, ...broken];
    },
  };
}

function valueAt(message: Message, path: Path): unknown {
  let value: unknown = message;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    const parent = value as Record<string, unknown>;
    switch (part.kind) {
      case "list_sub":
        value = parent[part.index];
        break;
      case "map_sub":
        value = parent[String(part.key)];
        break;
      case "field":
        value = part.oneof ? (parent[part.oneof.localName] as { value?: unknown }).value : parent[part.localName];
        break;
      case "oneof":
      case "extension":
        return undefined;
    }
  }
  return value;
}

function lastKey(path: Path): unknown {
  const last = path.at(-1);
  return last?.kind === "map_sub" ? last.key : undefined;
}

/** A pattern tells programs what is wrong; this tells people. */
const patternMeanings: ReadonlyMap<string, string> = new Map([
  ["^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", "is no name: give up to 63 letters, digits, dots, dashes and underscores, the first a letter or digit"],
  [
    "^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$",
    "is no label: give up to 63 letters, digits, dots, dashes, slashes and underscores, the first a letter or digit",
  ],
  ["^[A-Za-z_][A-Za-z0-9_.-]{0,254}$", "is no name of a variable: give letters, digits, dots, dashes and underscores, the first no digit"],
  ["^(SIG)?[A-Z][A-Z0-9+-]{1,9}$|^[1-9][0-9]?$", "is no signal: give a name such as SIGTERM, or a number"],
]);

function explain(message: string, value: unknown): string {
  const pattern = /^does not match regex pattern `(.*)`$/.exec(message)?.[1];
  if (pattern !== undefined) {
    const meaning = patternMeanings.get(pattern.replace(/^\^\$\|/, ""));
    return meaning === undefined ? `${quote(value)} ${message}` : `${quote(value)} ${meaning}`;
  }
  return typeof value === "number" || typeof value === "bigint" ? `${message}, not ${value}` : message;
}

/** Short enough to be read, and on one line. */
function quote(value: unknown): string {
  const text = JSON.stringify(String(value));
  return text.length > 80 ? `${text.slice(0, 79)}…"` : text;
}
