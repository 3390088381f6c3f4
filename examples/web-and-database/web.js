// Counts visits in Redis: one command a connection, in Redis's own protocol.
import { createServer } from "node:http";
import { createConnection } from "node:net";

const { PORT = "8712", DB_PORT = "8711", PM_INSTANCE = "0" } = process.env;

const server = createServer(async (request, response) => {
  try {
    if (request.url === "/health") response.end(`${await ask("PING")}\n`);
    else response.end(`visit ${await ask("INCR visits")}, at instance ${PM_INSTANCE}\n`);
  } catch (error) {
    response.writeHead(503).end(`the database does not answer: ${error.message}\n`);
  }
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${PORT}`));

process.on("SIGTERM", () => {
  server.close();
  server.closeIdleConnections();
});

/** The answer of one line, such as +PONG or :7, without its mark. */
function ask(command) {
  return new Promise((resolve, reject) => {
    const connection = createConnection(Number(DB_PORT), "127.0.0.1", () => connection.write(`${command}\r\n`));
    connection.setTimeout(2000, () => connection.destroy(new Error("it says nothing")));
    connection.once("data", (answer) => {
      connection.end();
      const text = String(answer).trim();
      if (text.startsWith("-")) reject(new Error(text.slice(1)));
      else resolve(text.slice(1));
    });
    connection.once("error", reject);
    connection.once("close", () => reject(new Error("it hung up")));
  });
}
