import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Session } from "./session.ts";

// The proto's own JSON, so that what a script reads here is what it would read from the API. The code for it is loaded when it is asked for: it
// knows all the well-known types, and a table needs none of them.

/** One message, to be read by people too. */
export async function printJson<Desc extends DescMessage>({ out }: Session, schema: Desc, message: MessageShape<Desc>): Promise<void> {
  const { toJson } = await import("@bufbuild/protobuf");
  out.write(`${JSON.stringify(toJson(schema, message), undefined, 2)}\n`);
}

/** One message a line. */
export async function printJsonLines<Desc extends DescMessage>(
  { out }: Session,
  schema: Desc,
  messages: readonly MessageShape<Desc>[],
): Promise<void> {
  const { toJson } = await import("@bufbuild/protobuf");
  for (const message of messages) out.write(`${JSON.stringify(toJson(schema, message))}\n`);
}
