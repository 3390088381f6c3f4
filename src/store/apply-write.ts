import type { Resting, StoredRun } from "../supervisor/store.ts";
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
      return statements.run(end, JSON.stringify(write.end), write.end.endedAt, write.runId);
    case "complete":
      return statements.run("UPDATE run SET ended = ? WHERE id = ? AND ended IS NOT NULL", JSON.stringify(write.end), write.runId);
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

// What is kept is what ended last, and clocks can be set back: so in this column no end is before one of the service that was stored earlier.
const endedAt = (at: string, of: string) =>
  `max(${at}, coalesce((SELECT max(ended_at) FROM run AS other WHERE ${of} AND ended_at IS NOT NULL) + 0.001, 0))`;

const end = `
  UPDATE run SET ended = ?1, ended_at = ${endedAt("?2", "other.namespace = run.namespace AND other.service = run.service")}
  WHERE id = ?3 AND ended IS NULL`;

// Begun again it keeps its place and its end: pmd may have died before it knew that the beginning was stored.
const begin = `
  INSERT INTO run (id, namespace, service, record, ended, ended_at)
  VALUES (?1, ?2, ?3, ?4, ?5, ${endedAt("?6", "namespace = ?2 AND service = ?3")})
  ON CONFLICT (id) DO UPDATE SET record = excluded.record, ended = coalesce(ended, excluded.ended), ended_at = coalesce(ended_at, excluded.ended_at)`;

function applyBegin(statements: Statements, { end, ...run }: StoredRun): void {
  const ended = end ? JSON.stringify(end) : null;
  statements.run(begin, run.id, run.namespace, run.service, JSON.stringify(run), ended, end?.endedAt ?? null);
}
