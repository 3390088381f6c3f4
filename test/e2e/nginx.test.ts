import { readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { getService, isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";

it("nginx is ready when it answers, logs to /dev/stdout and /dev/stderr, serves while pmd is away, and leaves no worker behind", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const port = await freePort();
  const config = join(daemon.root, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; pid ${daemon.root}/nginx.pid; error_log /dev/stderr info; worker_processes 2;
     events {}
     http { access_log /dev/stdout; client_body_temp_path ${daemon.root}; proxy_temp_path ${daemon.root}; fastcgi_temp_path ${daemon.root};
       uwsgi_temp_path ${daemon.root}; scgi_temp_path ${daemon.root};
       server { listen 127.0.0.1:${port}; location / { return 200 "hello from nginx\\n"; } } }`,
  );
  const line = `exec /usr/sbin/nginx -c ${config}`;
  await client.createService({
    name: "nginx",
    spec: shell(daemon, line, { process: { stop: { signal: "QUIT" } }, reload: { signal: "HUP" }, health: { http: { port } } }),
  });
  // It is ready when this returns, and not only started.
  expect(await fetchText(port)).toBe("hello from nginx\n");
  const master = await pidOf(daemon, "nginx");
  const workers = childrenOf(master);
  expect(workers.length).toBe(2);

  await daemon.kill9();
  expect(await fetchText(port)).toBe("hello from nginx\n");
  await daemon.start();
  await eventually(() => isRunning(daemon, "nginx"));
  expect(await pidOf(daemon, "nginx")).toBe(master);

  await client.reloadServices({ selector: named("nginx") });
  await eventually(() => childrenOf(master).length === 2 && !childrenOf(master).some((pid) => workers.includes(pid)));
  const newWorkers = childrenOf(master);

  // Only the master dies: the workers would go on holding the port.
  process.kill(master, "SIGKILL");
  await eventually(async () => (await isRunning(daemon, "nginx")) && (await pidOf(daemon, "nginx")) !== master);
  expect(newWorkers.filter(isAlive)).toEqual([]);
  expect(await eventually(() => fetchText(port))).toBe("hello from nginx\n");

  const last = await pidOf(daemon, "nginx");
  await client.stopServices({ selector: named("nginx") });
  expect(isAlive(last)).toBe(false);
  expect((await getService(daemon, "nginx")).status?.instances[0]?.lastExit?.code).toBe(0);
  await eventually(() => readFileSync(join(daemon.logDir, "nginx/out.log"), "utf8").split("\n").length > 3);
  expect(readFileSync(join(daemon.logDir, "nginx/out.log"), "utf8")).toContain('"GET / HTTP/1.1" 200');
  expect(readFileSync(join(daemon.logDir, "nginx/err.log"), "utf8")).toContain("start worker process");
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
}

function fetchText(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: "127.0.0.1", agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}
