// Makes a service, follows what it writes, shows what a wrong call is answered with, and deletes the service again.
//   node main.ts [socket]
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";

const socketPath = process.argv[2] ?? "/run/pmd/pmd.sock";
const transport = createConnectTransport({ baseUrl: "http://pmd", httpVersion: "1.1", nodeOptions: { socketPath } });
const supervisor = createClient(SupervisorService, transport);
const logs = createClient(LogService, transport);

const name = "greeter";
const selector = { names: [name] };

// A verb answers when its outcome is known: here, when the service is up.
const shell = "for n in 1 2 3; do echo hello $n; done; exec sleep 1000";
const { service } = await supervisor.createService({ name, spec: { process: { command: { shell } } } });
console.log(`${name} is ready: ${service?.status?.instancesReady} of ${service?.status?.instancesDesired}`);

let lines = 0;
const following = new AbortController();
for await (const batch of logs.followLogs({ filter: { selector }, tail: 10 }, { signal: following.signal })) {
  for (const entry of batch.entries) console.log(`${entry.instance}: ${entry.content.value}`);
  lines += batch.entries.length;
  if (lines >= 3) break;
}
following.abort(); // leaving the loop alone does not end the call

try {
  await supervisor.startServices({ selector: { names: ["nobody"] } });
} catch (error) {
  // A program decides by the reason; the message is for people.
  const refusal = ConnectError.from(error);
  const [info] = refusal.findDetails(ErrorInfoSchema);
  console.log(`${info?.reason}: ${refusal.rawMessage}`);
}

await supervisor.deleteServices({ selector, purgeLogs: true });
console.log(`${name} is gone`);
