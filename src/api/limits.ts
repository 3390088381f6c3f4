/** What one caller may take, in one place. The defaults of the libraries are no limits: 4 GiB a message, 4 billion streams a connection. */
export interface Limits {
  /** Connections at a time; the next is closed at once. */
  readonly connections: number;
  /** Calls at a time, over all connections; the next is answered `unavailable`. */
  readonly calls: number;
  /** Streams at a time on one HTTP/2 connection; a client that has more to ask waits. A console that follows 300 services fits. */
  readonly streamsPerConnection: number;
  /** What HTTP/2 may hold for one connection before it refuses new streams on it. */
  readonly connectionMemoryMib: number;
  readonly headers: number;
  /** All of them together. */
  readonly headerBytes: number;
  /** Until the first bytes of a connection have said which HTTP it speaks, and again until its settings have come if it is HTTP/2. */
  readonly prefaceTimeoutMs: number;
  /** HTTP/1.1: until the headers have arrived. HTTP/2 has no headers before it has a call, and is idle until then. */
  readonly headersTimeoutMs: number;
  /** Until the whole request has arrived. It says nothing of the answer, which may go on for days. */
  readonly requestTimeoutMs: number;
  /** How long a connection without calls is kept, whatever else it says. */
  readonly idleTimeoutMs: number;
  /** A request. */
  readonly readMaxBytes: number;
  /** An answer, or a message of a stream: a list of thousands of services fits. */
  readonly writeMaxBytes: number;
  /** The longest deadline that a caller may ask for: the longest wait of a verb, and an hour. */
  readonly deadlineMs: number;
  /** The deadline of a call that only reads, when its caller names none. Verbs wait as they are told, and streams have no end. */
  readonly readDeadlineMs: number;
}

export const defaultLimits: Limits = {
  connections: 512,
  calls: 4096,
  streamsPerConnection: 512,
  connectionMemoryMib: 32,
  headers: 64,
  headerBytes: 32 * 1024,
  prefaceTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  idleTimeoutMs: 300_000,
  readMaxBytes: 4 * 1024 * 1024,
  writeMaxBytes: 32 * 1024 * 1024,
  deadlineMs: 25 * 3_600_000,
  readDeadlineMs: 30_000,
};
