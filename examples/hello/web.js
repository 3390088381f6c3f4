// A web server as small as they get. PORT is the port of instance 0, and PM_INSTANCE says which instance this is.
import { createServer } from "node:http";

const name = process.env.NAME ?? "web";
const port = Number(process.env.PORT ?? 0) + Number(process.env.PM_INSTANCE ?? 0);

const server = createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  response.end(`hello from ${name}, process ${process.pid}\n`, () => {
    if (request.url === "/crash") throw new Error("somebody asked for it");
  });
});
server.listen(port, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));

process.on("SIGTERM", () => {
  console.log("closing");
  server.close();
  server.closeIdleConnections();
});
