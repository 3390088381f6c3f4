import { connect } from "node:http2";
import type { Finding } from "./system-prober.ts";

// grpc.health.v1.Health/Check, spoken by hand: a request with one string, an answer with one number. A library for it would weigh more than all
// the other probes.

const path = "/grpc.health.v1.Health/Check";
const mostBytes = 4096;
const servingWords = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

export function probeGrpc(
  { host, port, service }: { readonly host: string; readonly port: number; readonly service: string },
  signal: AbortSignal,
): Promise<Finding> {
  const { promise, resolve, reject } = Promise.withResolvers<Finding>();
  const session = connect(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
  session.on("error", reject);
  const end = () => session.destroy(new Error("ended"));
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request(headers);
  const answer: { status: string; grpcStatus: string; grpcMessage: string; body: Buffer } = {
    status: "",
    grpcStatus: "",
    grpcMessage: "",
    body: Buffer.alloc(0),
  };
  const note = (fields: Record<string, unknown>) => {
    answer.grpcStatus = String(fields["grpc-status"] ?? answer.grpcStatus);
    answer.grpcMessage = String(fields["grpc-message"] ?? answer.grpcMessage);
  };
  stream.on("error", reject);
  stream.once("response", (fields) => {
    answer.status = String(fields[":status"] ?? "");
    note(fields);
  });
  stream.once("trailers", note);
  stream.on("data", (chunk: Buffer) => {
    answer.body = Buffer.concat([answer.body, chunk]).subarray(0, mostBytes);
  });
  stream.once("end", () => resolve(judgeAnswer(answer)));
  stream.once("close", () => reject(new Error("connection closed without an answer")));
  stream.end(frame(request(service)));
  return promise.finally(() => {
    signal.removeEventListener("abort", end);
    session.destroy();
  });
}

function judgeAnswer(answer: { status: string; grpcStatus: string; grpcMessage: string; body: Buffer }): Finding {
  const { status, grpcStatus, grpcMessage, body } = answer;
  if (status !== "200") return { ok: false, reason: `HTTP status ${status}`, output: "" };
  if (grpcStatus !== "0") return { ok: false, reason: `gRPC status ${grpcStatus || "missing"}`, output: decoded(grpcMessage) };
  const word = servingWords[servingStatus(body)] ?? "UNKNOWN";
  return { ok: word === "SERVING", reason: word, output: "" };
}

/** Percent-encoded, as it should be. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // as it is
  }
}

/** HealthCheckRequest: field 1 is the service, and not sent when it is empty. */
function request(service: string): Buffer {
  if (service === "") return Buffer.alloc(0);
  const name = Buffer.from(service);
  return Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Not compressed, and how long. */
function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** HealthCheckResponse: field 1 is the status; 0, which is not sent, is UNKNOWN. */
function servingStatus(body: Buffer): number {
  const message = body.subarray(5);
  return message[0] === 0x08 ? (message[1] ?? 0) : 0;
}
