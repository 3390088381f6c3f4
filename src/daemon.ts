import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logAccess } from "./api/access-log.ts";
import { translateErrors } from "./api/connect-error.ts";
import { toSpec } from "./api/convert-spec.ts";
import type { Daemon } from "./api/daemon-service.ts";
import { listen } from "./api/listen.ts";
import { routes } from "./api/routes.ts";
import { validateRequests } from "./api/validate-request.ts";
import { findViolations } from "./api/violations.ts";
import { loadManifest, readManifest } from "./config/load-manifest.ts";
import { UnreadableFile } from "./config/read-text.ts";
import { invalidFields, PmError } from "./errors.ts";
import { SystemProber } from "./health/system-prober.ts";
import { homeDirectory } from "./host/child-environment.ts";
import { PosixHost } from "./host/posix-host.ts";
import { signalPump } from "./host/signal-pump.ts";
import { startPump } from "./host/start-pump.ts";
import { directoryId, lockDirectory } from "./lock.ts";
import type { Logger } from "./logger.ts";
import { readLastLines, readRunLog } from "./logs/last-lines.ts";
import { requestExit } from "./logs/pump-client.ts";
import { PumpKeeper } from "./logs/pump-keeper.ts";
import { PumpLimit } from "./logs/pump-limit.ts";
import { UsageSampler } from "./metrics/usage-sampler.ts";
import type { Settings } from "./settings.ts";
import { openStore, storeFile } from "./store/open-store.ts";
import { type Definition, type DefinitionFile, Definitions, problemsOf } from "./supervisor/definitions.ts";
import { Services } from "./supervisor/services.ts";
import { Supervisor } from "./supervisor/supervisor.ts";

/** Calls that are under way when pmd ends have this long to finish. */
const closeGraceMs = 2000;

/** What stopped services have written last is on disk by then, or will be. */
const lastOutputMs = 2000;

/** Nobody waits for a reload that a signal asked for. */
const reloadMs = 1000;

export interface RunningDaemon {
  /** Resolves when a client has asked for the end. */
  readonly ended: Promise<void>;
  /** Applies the file that it was started with again. Never throws: what is wrong is logged, and told of the services that the file defines. */
  reload(): Promise<void>;
  /** Stops answering and lets go of everything; services run on. */
  close(): Promise<void>;
}

/** Builds every part and joins them; the only place that knows them all. */
export async function startDaemon(settings: Settings, version: string, log: Logger): Promise<RunningDaemon> {
  // First of all: a file that says nonsense shall not cost more than its message.
  const { defined, refusal } = settings.config === "" ? {} : await readOwnFile(settings);
  makeDirectories(settings);
  const locks = [await lockDirectory(settings.stateDir, settings), await lockDirectory(settings.runtimeDir, settings)];
  const { store, setAside } = openStore(settings.stateDir);
  if (setAside) log.error({ setAside }, "the store was damaged: it was set aside, and a new one begun; what runs is still looked after");
  if (refusal && !store.listServices().some(({ source }) => source === settings.config)) throw refusal;
  if (refusal) log.error({ err: refusal }, "the configuration file is not valid: what it said before holds");
  const say = (message: string, details: object) => log.info(details, message);
  const host = new PosixHost({ ...settings, id: directoryId(settings.stateDir), log: say });
  const services = new Services({
    host,
    store,
    prober: new SystemProber(readRunLog),
    logDir: settings.logDir,
    homeDir: homeDirectory(),
    log: say,
    peakMemoryBytes: (runId) => sampler.peakMemory(runId),
    lastLines: readLastLines,
    storeLost: setAside !== undefined,
  });
  const supervisor = new Supervisor(services, host);
  const sampler = new UsageSampler({
    list: () => services.measured(),
    onSample: ({ instances }) => services.seeMemory(instances),
    onError: (error) => log.warn({ err: error }, "cannot measure"),
  });
  let pumpPid = 0;
  const limit = new PumpLimit({
    runtimeDir: settings.runtimeDir,
    limit: { bytes: settings.logTotalBytes, logDir: settings.logDir },
    onUnknown: () => log.warn({ pid: pumpPid }, "the log pump is of a version that knows no --log-total: the next one will keep to it"),
    onError: (error) => log.warn({ err: error }, "cannot tell the log pump what --log-total is; it is tried again"),
  });
  const pump = new PumpKeeper({
    runtimeDir: settings.runtimeDir,
    start: () => startPump(settings.runtimeDir, version, (error) => log.error({ err: error }, "cannot start the log pump")),
    onStarted: ({ pid }) => {
      if (pid === pumpPid) return;
      pumpPid = pid;
      services.events.append({ type: "pump_started", message: `the log pump is at work (pid ${pid})`, attributes: { pid: String(pid) } });
    },
    onAnswer: (status) => limit.see(status),
    onLost: () => log.warn({ pid: pumpPid }, "the log pump is gone: another is being started"),
    onStalled: () => {
      const attributes = { pid: String(pumpPid) };
      services.events.append({ type: "pump_stalled", message: `the log pump (pid ${pumpPid}) does not answer, and is being replaced`, attributes });
    },
    signal: signalPump,
  });
  pump.open();
  if (setAside)
    services.events.append({ type: "store_reset", message: `the store was damaged and is now ${setAside}`, attributes: { path: setAside } });
  services.open(defined?.services.map((service) => ({ ...service, source: defined.source })));
  sampler.start();
  const definitions = new Definitions({
    supervisor,
    read: readDefinition,
    wallTime: () => host.wallTime(),
    own: { path: settings.config, problems: refusal ? problemsOf(refusal) : [], ...(defined && { readAt: host.wallTime() }) },
  });
  const end = Promise.withResolvers<void>();
  const startedAt = Date.now();
  const daemon: Daemon = {
    ...settings,
    version,
    startedAt,
    bootId: host.bootId,
    capabilities: () => [
      { id: "cgroup.kill", available: host.cgroups.available, detail: host.cgroups.available ? host.cgroups.root : host.cgroups.reason },
    ],
    problems: () => [
      ...definitions.own.problems.map((message) => ({ reason: "FILE_INVALID", message })),
      ...(setAside ? [{ reason: "STORE_RESET", message: `the store was damaged: it is now ${setAside}, and a new one was begun` }] : []),
      ...(pump.held ? [] : [{ reason: "PUMP_UNAVAILABLE", message: "there is no log pump: another is being started" }]),
      ...(pump.stalled ? [{ reason: "PUMP_STALLED", message: "the log pump does not answer: it is being replaced" }] : []),
      ...(store.lastError ? [{ reason: "STORE_UNAVAILABLE", message: `the store cannot be written: ${store.lastError}` }] : []),
    ],
    counts: () => {
      const views = services.list();
      const instancesRunning = views.flatMap(({ instances }) => instances).filter(({ state }) => state === "running").length;
      return { services: views.length, instancesRunning, adopted: services.adopted };
    },
    pumpPid: () => (pump.held ? pumpPid : 0),
    stopServices: async (timeoutMs, signal) => {
      const results = await supervisor.stopAll(timeoutMs, signal);
      if (results.every(({ outcome }) => outcome !== "failed")) await Promise.race([host.allDrained(), sleep(lastOutputMs)]);
      return results;
    },
    end: () => setImmediate(end.resolve),
  };
  const logError = (error: unknown, where: string) => log.error({ err: error, where }, "a call failed");
  const listener = await listen({
    path: settings.socket,
    mode: settings.socketMode,
    owner: settings.socketOwner,
    group: settings.socketGroup,
    routes: routes({ daemon, supervisor, definitions, sampler }),
    interceptors: [logAccess((call) => log.debug(call, "call")), translateErrors(logError), validateRequests],
    log: logError,
  });
  log.info({ version, socket: settings.socket, adopted: services.adopted }, "pmd is ready");

  let closing: Promise<void> | undefined;
  return {
    ended: end.promise,
    reload,
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function reload(): Promise<void> {
    try {
      const options = { names: [], prune: false, force: false, resetOverrides: false };
      const { plan } = await definitions.apply({ path: "" }, options, { level: "accepted" }, AbortSignal.timeout(reloadMs));
      log.info({ changed: plan.services.filter(({ effect }) => effect !== "none").map(({ key }) => key) }, "the configuration file was applied");
    } catch (error) {
      log.error({ err: error }, "the configuration file was not applied: what it said before holds");
    }
  }

  async function close(): Promise<void> {
    services.events.append({ type: "daemon_stopping", message: "pmd ends" });
    await listener.close(closeGraceMs);
    pump.close();
    limit.close();
    // With no run left the pump has nothing to wait for; it would find that out by itself, a minute later.
    if (host.isIdle) await requestExit(settings.runtimeDir, AbortSignal.timeout(closeGraceMs)).catch(() => undefined);
    await sampler.close();
    services.close();
    await host.close();
    store.close();
    for (const lock of locks) lock.release();
  }
}

/** A host that boots while its file is being edited has what it said before, if anything of it is known. */
async function readOwnFile({ config, stateDir }: Settings): Promise<{ defined?: Definition; refusal?: PmError }> {
  try {
    return { defined: await readDefinition({ path: config }) };
  } catch (error) {
    if (error instanceof PmError && existsSync(join(stateDir, storeFile))) return { refusal: error };
    throw error;
  }
}

/** The same rules hold for a file as for the API. */
async function readDefinition({ path, text }: DefinitionFile): Promise<Definition> {
  const rules = { findViolations, toSpec };
  const manifest = await (text === undefined ? loadManifest(path, rules) : readManifest(text, path, rules)).catch(asRefusal);
  return { source: manifest.path, services: manifest.services.map((service) => ({ ...service, namespace: manifest.namespace })) };
}

function asRefusal(error: unknown): never {
  if (error instanceof UnreadableFile) throw invalidFields([{ field: "", message: error.message }]);
  throw error;
}

/** The socket's directory may be entered by all when root serves others; what is in it has its own modes. */
function makeDirectories({ stateDir, runtimeDir, logDir }: Settings): void {
  const isRoot = process.getuid?.() === 0;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  mkdirSync(runtimeDir, { recursive: true, mode: isRoot ? 0o755 : 0o700 });
  mkdirSync(logDir, { recursive: true, mode: 0o750 });
}
