import { clock } from "./stories/clock.ts";
import { brokenLogDisk, brokenStateDisk, slowStateDisk } from "./stories/disks.ts";
import { oom } from "./stories/oom.ts";
import { powerLoss } from "./stories/power-loss.ts";
import { shutdown } from "./stories/shutdown.ts";
import { restarted } from "./stories/systemd.ts";
import { forkBomb, trees } from "./stories/trees.ts";
import type { Story } from "./story.ts";

export const stories: readonly Story[] = [restarted, trees, forkBomb, oom, brokenLogDisk, brokenStateDisk, slowStateDisk, clock, shutdown, powerLoss];
