import http from "node:http";
import https from "node:https";
import type { HttpProbe } from "../core/spec.ts";
import { outputBytes } from "./output.ts";
import type { Finding } from "./system-prober.ts";

/** So much of the body is read. */
const bodyBytes = 64 * 1024;

/** One request over a connection of its own. It goes straight to the host: an agent that is not Node's own knows of no proxy. */
export function probeHttp(probe: HttpProbe, signal: AbortSignal): Promise<Finding> {
  const { host, port, method, path, scheme } = probe;
  const { promise, resolve, reject } = Promise.withResolvers<Finding>();
  const headers = { "user-agent": "pmd", ...probe.headers };
  const options = { host, port, method, path, headers, signal };
  const request =
    scheme === "https"
      ? https.request({ ...options, agent: new https.Agent({ keepAlive: false }), rejectUnauthorized: !probe.tlsSkipVerify })
      : http.request({ ...options, agent: new http.Agent({ keepAlive: false }) });
  request.on("error", reject);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const answer = () => {
      resolve(judgeAnswer(probe, response.statusCode ?? 0, Buffer.concat(chunks).subarray(0, bodyBytes)));
      request.destroy();
    };
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= bodyBytes) answer();
    });
    response.once("end", answer);
    response.on("error", reject);
  });
  request.end();
  return promise;
}

function judgeAnswer({ statusMin, statusMax, body: wanted }: HttpProbe, status: number, body: Buffer): Finding {
  const output = body.toString("utf8", 0, outputBytes);
  if (status < statusMin || status > statusMax) return { ok: false, reason: `status ${status}`, output };
  if (!body.includes(wanted)) return { ok: false, reason: `status ${status}, and the body does not contain ${JSON.stringify(wanted)}`, output };
  return { ok: true, reason: `status ${status}`, output };
}
