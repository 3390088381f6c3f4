import type { Host } from "./host.ts";

/** Something that only a machine of its own can show. */
export interface Story {
  readonly name: string;
  /** A rule. */
  readonly title: string;
  /** One after another on the same disk. After each but the last the power fails; all but one of most stories are missing. */
  readonly boots: readonly [Chapter, ...Chapter[]];
}

/** It fails by throwing. */
export type Chapter = (host: Host) => Promise<void>;
