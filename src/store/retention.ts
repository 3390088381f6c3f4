import type { Statements } from "./statements.ts";

/** How much is kept. */
export interface Retention {
  readonly events: number;
  readonly eventAgeMs: number;
  /** Old events are looked for each time this many have come. */
  readonly pruneEvery: number;
  /** Ended runs of a service; those that have not ended stay. */
  readonly runs: number;
  /** What may wait for a disk that cannot be written. */
  readonly queuedWrites: number;
}

export const defaultRetention: Retention = {
  events: 10_000,
  eventAgeMs: 7 * 24 * 60 * 60 * 1000,
  pruneEvery: 500,
  runs: 100,
  queuedWrites: 10_000,
};

// The newest event stays however old it is: the next number is counted from it.
const oldEvents = `
  DELETE FROM event
  WHERE sequence < (SELECT max(sequence) FROM event)
    AND (sequence <= (SELECT max(sequence) FROM event) - ?1 OR at < ?2)`;

export function pruneEvents(statements: Statements, retention: Retention, now: number): void {
  statements.run(oldEvents, retention.events, now - retention.eventAgeMs);
}

// By their ends, not by their beginnings: the end of a run that began long ago is news.
const oldRuns = `
  DELETE FROM run WHERE number IN (
    SELECT number FROM run WHERE namespace = (SELECT namespace FROM run WHERE id = ?1) AND service = (SELECT service FROM run WHERE id = ?1)
    AND ended_at IS NOT NULL ORDER BY ended_at DESC, number DESC LIMIT -1 OFFSET ?2)`;

/** Those of the service that this run belongs to. */
export function pruneRuns(statements: Statements, retention: Retention, runId: string): void {
  statements.run(oldRuns, runId, retention.runs);
}
