import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Session } from "./session.ts";

/** The proto's own JSON, so that what a script reads here is what it would read from the API. */
export function printJson<Desc extends DescMessage>({ out }: Session, schema: Desc, message: MessageShape<Desc>): void {
  out.write(`${JSON.stringify(toJson(schema, message), undefined, 2)}\n`);
}

/** One message a line. */
export function printJsonLine<Desc extends DescMessage>({ out }: Session, schema: Desc, message: MessageShape<Desc>): void {
  out.write(`${JSON.stringify(toJson(schema, message))}\n`);
}
