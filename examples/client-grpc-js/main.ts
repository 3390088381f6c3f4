// Watches services over gRPC with @grpc/grpc-js, which knows nothing of Connect: every state as it changes, until interrupted.
//   node main.ts [socket]
import { create, type DescMethodServerStreaming, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { StateSchema } from "../../gen/pm/v1/common_pb.ts";
import { SupervisorService, WatchResponse_Phase } from "../../gen/pm/v1/supervisor_service_pb.ts";

const socketPath = process.argv[2] ?? "/run/pmd/pmd.sock";
const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
const call = startStream(SupervisorService.method.watch, {});
process.once("SIGINT", () => call.cancel());

call.on("data", ({ phase, services, removed }) => {
  for (const { name, status } of services) console.log(`${name} is ${StateSchema.value[status?.state ?? 0]?.localName.toLowerCase()}`);
  for (const name of removed) console.log(`${name} is gone`);
  if (phase === WatchResponse_Phase.SYNCED) console.log("that is all for now");
});
call.on("error", (error: ServiceError) => {
  if (error.code !== status.CANCELLED) console.error(error.message);
  client.close();
});
call.on("end", () => client.close());

/** The generated descriptors hold all that grpc-js needs: the path, and how to write and read the messages. */
function startStream<Method extends DescMethodServerStreaming>(method: Method, request: MessageInitShape<Method["input"]>) {
  return client.makeServerStreamRequest(
    `/${method.parent.typeName}/${method.name}`,
    (message: MessageShape<Method["input"]>) => Buffer.from(toBinary(method.input, message)),
    (bytes) => fromBinary(method.output, bytes) as MessageShape<Method["output"]>,
    create(method.input, request) as MessageShape<Method["input"]>,
  );
}
