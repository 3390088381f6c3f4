import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { invalidFields } from "../errors.ts";
import { findViolations } from "./violations.ts";

/** Lets only requests through that keep the rules of the proto; the error lists every violation. */
export const validateRequests: Interceptor = (next) => async (request) => {
  if (request.stream) return next({ ...request, message: validatedStream(request.method.input, request.message) });
  return next({ ...request, message: validated(request.method.input, request.message) });
};

async function* validatedStream<Schema extends DescMessage>(schema: Schema, messages: AsyncIterable<MessageShape<Schema>>) {
  for await (const message of messages) yield validated(schema, message);
}

function validated<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): MessageShape<Schema> {
  const violations = findViolations(schema, message);
  if (violations.length > 0) throw invalidFields(violations);
  return message;
}
