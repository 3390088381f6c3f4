import type { Resting, StoredExit, StoredRun } from "../supervisor/store.ts";
import type { Statements } from "./statements.ts";
import type { Write } from "./write-queue.ts";

export function applyWrite(statements: Statements, write: Write): void {
  switch (write.kind) {
    case "resting":
      return applyResting(statements, write.instance, write.resting);
    case "begin":
      return applyBegin(statements, write.run);
    // A run ends once. One that is not known has been deleted with its service, or is too old to be kept.
    case "end":
      return applyEnd(statements, "UPDATE run SET ended = ?, ended_at = ? WHERE id = ? AND ended IS NULL", write.runId, write.end);
    case "complete":
      return applyEnd(statements, "UPDATE run SET ended = ?, ended_at = ? WHERE id = ? AND ended IS NOT NULL", write.runId, write.end);
    case "event": {
      const { event } = write;
      return statements.run("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", event.sequence, event.at, JSON.stringify(event));
    }
  }
}

function applyResting(statements: Statements, instance: string, resting: Resting | undefined): void {
  if (resting) statements.run("INSERT OR REPLACE INTO resting VALUES (?, ?)", instance, JSON.stringify(resting));
  else statements.run("DELETE FROM resting WHERE instance = ?", instance);
}

// Begun again it keeps its place and its end: pmd may have died before it knew that the beginning was stored.
const begin = `
  INSERT INTO run (id, namespace, service, record, ended, ended_at) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET record = excluded.record, ended = coalesce(ended, excluded.ended), ended_at = coalesce(ended_at, excluded.ended_at)`;

function applyBegin(statements: Statements, { end, ...run }: StoredRun): void {
  const ended = end ? JSON.stringify(end) : null;
  statements.run(begin, run.id, run.namespace, run.service, JSON.stringify(run), ended, end?.endedAt ?? null);
}

function applyEnd(statements: Statements, update: string, runId: string, end: StoredExit): void {
  statements.run(update, JSON.stringify(end), end.endedAt, runId);
}
