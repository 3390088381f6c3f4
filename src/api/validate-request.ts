import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { invalidFields } from "../errors.ts";
import type { Validator } from "./validator.ts";

/** Lets only requests through that keep the rules of the proto; the error lists every violation. */
export function validateRequests(validator: Validator): Interceptor {
  return (next) => (request) => {
    if (request.stream) {
      return next({ ...request, message: validatedStream(validator, request.method.input, request.message) });
    }
    return validated(validator, request.method.input, request.message).then((message) => next({ ...request, message }));
  };
}

async function* validatedStream<Schema extends DescMessage>(validator: Validator, schema: Schema, messages: AsyncIterable<MessageShape<Schema>>) {
  for await (const message of messages) yield await validated(validator, schema, message);
}

async function validated<Schema extends DescMessage>(validator: Validator, schema: Schema, message: MessageShape<Schema>) {
  const violations = await validator.validate(schema, message);
  if (violations.length > 0) throw invalidFields(violations);
  return message;
}
