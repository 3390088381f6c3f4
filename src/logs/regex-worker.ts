import { Worker } from "node:worker_threads";
import { invalidFields, limitReached } from "../errors.ts";

// A regular expression may need longer than the universe for one line, and while it runs nothing else does in its thread. So it has a thread of
// its own, and when it does not answer in time the thread is ended and whoever has asked is told so.

const program = `
  const { parentPort, workerData } = require("node:worker_threads");
  const regex = new RegExp(workerData.source, workerData.flags);
  parentPort.on("message", (lines) => parentPort.postMessage(lines.map((line) => regex.test(line))));
`;

/** For a few hundred lines; what a sound one needs is a thousandth of it. */
const answerMs = 2000;
const mostWorkers = 8;
let workers = 0;

export class RegexWorker {
  readonly #source: string;
  readonly #flags: string;
  #worker: Worker | undefined;
  #isClosed = false;
  /** Answers carry no name: a question is asked when the one before it has its answer. */
  #before: Promise<unknown> = Promise.resolve();

  /** Throws what is wrong with the expression. */
  constructor(source: string, { ignoreCase = false } = {}) {
    this.#source = source;
    this.#flags = ignoreCase ? "i" : "";
    try {
      new RegExp(source, this.#flags);
    } catch (error) {
      throw wrongRegex(error instanceof Error ? error.message : String(error));
    }
  }

  /** Which of the lines match. */
  test(lines: readonly string[]): Promise<readonly boolean[]> {
    const answer = this.#before.then(() => this.#ask(lines));
    this.#before = answer.catch(() => undefined); // whoever has asked is told
    return answer;
  }

  close(): void {
    this.#isClosed = true;
    if (!this.#worker) return;
    void this.#worker.terminate();
    this.#worker = undefined;
    workers--;
  }

  async #ask(lines: readonly string[]): Promise<readonly boolean[]> {
    if (this.#isClosed) throw wrongRegex(`/${this.#source}/: the search has ended`);
    const worker = this.#worker ?? (await this.#start());
    const { promise, resolve, reject } = Promise.withResolvers<readonly boolean[]>();
    const timer = setTimeout(() => {
      this.close();
      reject(wrongRegex(`/${this.#source}/ needs longer than ${answerMs / 1000} s for ${lines.length} lines: write it without nested repetition`));
    }, answerMs);
    const fail = (error: Error) => reject(wrongRegex(`/${this.#source}/: ${error.message}`));
    worker.once("message", resolve).once("error", fail);
    try {
      worker.postMessage(lines);
      return await promise;
    } finally {
      clearTimeout(timer);
      worker.off("message", resolve).off("error", fail);
    }
  }

  /** The time that a thread needs to come up is not the expression's. */
  async #start(): Promise<Worker> {
    if (workers >= mostWorkers) throw limitReached("searches with a regular expression at once", mostWorkers);
    workers++;
    const worker = new Worker(program, { eval: true, workerData: { source: this.#source, flags: this.#flags } });
    this.#worker = worker;
    worker.unref();
    const online = Promise.withResolvers<void>();
    // It stays: an error that nobody listens to would end the process.
    worker.once("online", online.resolve).on("error", online.reject);
    await online.promise;
    return worker;
  }
}

function wrongRegex(message: string) {
  return invalidFields([{ field: "filter.regex", message }]);
}
