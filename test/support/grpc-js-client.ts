import { create, type DescMethod, type DescService, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type MethodDefinition, type ServiceError } from "@grpc/grpc-js";

// Another implementation of the wire, so that ours is not only right by its own account.

export function createGrpcJsClient(path: string) {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  return {
    unary<Method extends DescMethod>(method: Method, request: MessageInitShape<Method["input"]>, deadlineMs?: number) {
      return new Promise<MessageShape<Method["output"]>>((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = definitionOf(method);
        const message = create(method.input, request) as MessageShape<Method["input"]>;
        const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, options, (error, answer) => {
          if (answer === undefined) reject(error);
          else resolve(answer);
        });
      });
    },
    stream<Method extends DescMethod>(method: Method, request: MessageInitShape<Method["input"]>) {
      const { path, requestSerialize, responseDeserialize } = definitionOf(method);
      const message = create(method.input, request) as MessageShape<Method["input"]>;
      return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, message);
    },
    [Symbol.dispose]: () => client.close(),
  };
}

export function definitionOf<Method extends DescMethod>(method: Method) {
  type Input = MessageShape<Method["input"]>;
  type Output = MessageShape<Method["output"]>;
  return {
    path: `/${(method.parent as DescService).typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes) as Input,
    responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes) as Output,
  } satisfies MethodDefinition<Input, Output>;
}

export type { ServiceError };
