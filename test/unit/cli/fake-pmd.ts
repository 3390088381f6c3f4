import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import {
  TargetResult_Outcome as Outcome,
  ProblemSchema,
  type Selector,
  State,
  type TargetResult,
  TargetResultSchema,
} from "../../../gen/pm/v1/common_pb.ts";
import { ConfigService, type Plan, PlanSchema, type RevisionSchema } from "../../../gen/pm/v1/config_service_pb.ts";
import { DaemonService, type GetInfoResponseSchema } from "../../../gen/pm/v1/daemon_service_pb.ts";
import { type Event, EventService, type FollowEventsResponseSchema } from "../../../gen/pm/v1/event_service_pb.ts";
import { type FollowLogsResponseSchema, type LogEntry, type LogGap, LogService, LogStream } from "../../../gen/pm/v1/log_service_pb.ts";
import { type InstanceUsage, MetricsService, type WatchMetricsResponseSchema } from "../../../gen/pm/v1/metrics_service_pb.ts";
import {
  Overrides_Desired as Desired,
  type Service,
  ServiceSchema,
  type ServiceSpec,
  type ServiceSpecSchema,
} from "../../../gen/pm/v1/service_pb.ts";
import {
  type ExplanationSchema,
  WatchResponse_Phase as Phase,
  SupervisorService,
  type WatchRequest,
  type WatchResponseSchema,
} from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { now } from "./run-pmctl.ts";

export function pmError(code: Code, reason: string, message: string, lastLines: string[] = []): ConnectError {
  return new ConnectError(message, code, undefined, [
    { desc: ErrorInfoSchema, value: { domain: "pm.v1", reason } },
    { desc: ProblemSchema, value: { reason, message, lastLines } },
  ]);
}

export function invalidFields(violations: readonly { field: string; description: string }[]): ConnectError {
  const error = pmError(Code.InvalidArgument, "INVALID_FIELD", "invalid");
  error.details.push({ desc: BadRequestSchema, value: { fieldViolations: [...violations] } });
  return error;
}

/** A supervisor that does at once and in memory what pmd does with processes, and remembers what it was asked. */
export class FakePmd {
  readonly services = new Map<string, Service>();
  readonly requests: { readonly method: string; readonly message: Record<string, unknown> }[] = [];
  /** What a verb answers for a service instead of doing it. */
  readonly failures = new Map<string, MessageInitShape<typeof ProblemSchema>>();
  /** What a method throws. */
  readonly refusals = new Map<string, ConnectError>();
  readonly entries: LogEntry[] = [];
  /** Paths of files that services write by themselves. */
  readonly hints: string[] = [];
  readonly gaps: LogGap[] = [];
  /** How often a search for lines says that there is more to look at. */
  searchPages = 0;
  /** How many lines are in one answer. */
  pageLines = Number.POSITIVE_INFINITY;
  /** The cursor at which it is away when lines are read. */
  awayAt: string | undefined;
  readonly events: Event[] = [];
  /** Why any service is as it is. */
  chain: MessageInitShape<typeof ExplanationSchema>[] = [];
  readonly usages: InstanceUsage[] = [];
  /** What is planned of every file, and what becomes of it. */
  plan: Plan = create(PlanSchema, { source: "/srv/pm.yaml", fingerprint: "0123456789abcdef" });
  applied: TargetResult[] = [];
  revisions: MessageInitShape<typeof RevisionSchema>[] = [];
  info: MessageInitShape<typeof GetInfoResponseSchema> & { $typeName?: never } = {
    version: "0.1.0",
    pid: 4000,
    runtime: "node v24.21.0",
    socket: "/run/pmd/pmd.sock",
  };
  /** What streams send after what is there; a stream ends when its script does. */
  watchScript: () => AsyncIterable<MessageInitShape<typeof WatchResponseSchema>> = nothing;
  followScript: (cursor: string) => AsyncIterable<MessageInitShape<typeof FollowLogsResponseSchema>> = nothing;
  metricsScript: () => AsyncIterable<MessageInitShape<typeof WatchMetricsResponseSchema>> = nothing;
  eventScript: (cursor: string) => AsyncIterable<MessageInitShape<typeof FollowEventsResponseSchema>> = nothing;
  #nextPid = 4711;

  readonly transport: Transport = createRouterTransport(({ service }) => {
    service(SupervisorService, {
      listServices: (request) =>
        this.#take("listServices", request, () => ({ services: this.#select(request.selector).map(({ service }) => service) })),
      getService: (request) => this.#take("getService", request, () => ({ service: this.get(request.name) })),
      explainService: (request) => this.#take("explainService", request, () => ({ chain: this.chain })),
      createService: (request) =>
        this.#take("createService", request, () => {
          const fullName = `${request.namespace || "default"}/${request.name}`;
          if (this.services.has(fullName)) throw pmError(Code.AlreadyExists, "ALREADY_EXISTS", `${request.name} exists already`);
          const service = this.add(fullName, { spec: request.spec as ServiceSpec, state: State.STOPPED });
          if (request.spec?.autostart === false) return { service, results: [] };
          return { service, results: [this.#run(service, "start")] };
        }),
      updateService: (request) =>
        this.#take("updateService", request, () => {
          const service = this.get(request.name);
          service.spec = request.spec as ServiceSpec;
          return { service, results: [] };
        }),
      startServices: (request) => this.#verb("startServices", request, "start"),
      stopServices: (request) => this.#verb("stopServices", request, "stop"),
      restartServices: (request) => this.#verb("restartServices", request, "restart"),
      reloadServices: (request) => this.#verb("reloadServices", request, "signal"),
      signalServices: (request) => this.#verb("signalServices", request, "signal"),
      deleteServices: (request) =>
        this.#take("deleteServices", request, () => {
          const results = this.#select(request.selector).map(({ service }) => this.#run(service, request.validateOnly ? "signal" : "stop"));
          if (!request.validateOnly) for (const { name } of results) this.services.delete(name);
          return { results };
        }),
      scaleService: (request) =>
        this.#take("scaleService", request, () => {
          const service = this.get(request.name);
          setInstances(service, request.instances ?? service.spec?.instances ?? 1);
          return { service, results: [this.#run(service, "start")] };
        }),
      watch: (request) => this.#watch(request),
    });
    service(ConfigService, {
      validateConfig: (request) => this.#take("validateConfig", request, () => ({ source: this.plan.source, services: this.#planned() })),
      planConfig: (request) => this.#take("planConfig", request, () => ({ plan: this.plan })),
      applyConfig: (request) => this.#take("applyConfig", request, () => ({ plan: this.plan, results: this.applied })),
      getConfig: (request) => this.#take("getConfig", request, () => ({})),
      listRevisions: (request) => this.#take("listRevisions", request, () => ({ revisions: this.revisions })),
      rollbackService: (request) =>
        this.#take("rollbackService", request, () => {
          const service = this.get(request.name);
          return { service, results: [this.#run(service, "restart")] };
        }),
    });
    service(MetricsService, {
      getMetrics: (request) => this.#take("getMetrics", request, () => ({ instances: this.usages, host })),
      watchMetrics: () => this.metricsScript(),
    });
    service(LogService, {
      listLogSources: (request) =>
        this.#take("listLogSources", request, () => ({
          sources: [
            ...[...new Set(this.entries.map(({ instance }) => instance))].map((instance) => ({
              instance,
              stream: LogStream.STDOUT,
              path: `/log/${instance}/out.log`,
              hint: false,
            })),
            ...this.hints.map((path) => ({ instance: "default/web", stream: LogStream.UNSPECIFIED, path, hint: true })),
          ],
        })),
      readLogs: (request) =>
        this.#take("readLogs", request, () => {
          if (request.cursor === this.awayAt) throw new ConnectError("gone", Code.Unavailable);
          if (this.searchPages > 0) return { cursor: `searching ${this.searchPages--}` };
          const wanted = this.entries.filter(({ stream }) => request.filter?.streams.length === 0 || request.filter?.streams.includes(stream));
          const from = request.tail > 0 ? Math.max(0, wanted.length - request.tail) : Number(/^read (\d+)$/.exec(request.cursor)?.[1] ?? 0);
          const to = Math.min(wanted.length, from + this.pageLines);
          const atEnd = to === wanted.length;
          return { entries: wanted.slice(from, to), gaps: this.gaps, cursor: atEnd ? "read" : `read ${to}`, atEnd };
        }),
      followLogs: (request) => this.#take("followLogs", request, () => this.followScript(request.cursor)),
    });
    service(EventService, {
      listEvents: (request) => this.#take("listEvents", request, () => ({ events: this.events, cursor: "read", atEnd: true })),
      followEvents: (request) => this.#take("followEvents", request, () => this.eventScript(request.cursor)),
    });
    service(DaemonService, {
      getInfo: (request) => this.#take("getInfo", request, () => this.info),
      shutdown: (request) => this.#take("shutdown", request, () => ({})),
    });
  });

  add(
    fullName: string,
    { spec, state = State.RUNNING, instances }: { spec?: MessageInitShape<typeof ServiceSpecSchema>; state?: State; instances?: number } = {},
  ): Service {
    const [namespace = "", name = ""] = fullName.split("/");
    const service = create(ServiceSchema, { name, namespace, spec: { ...spec }, generation: 1n, status: { state: State.STOPPED } });
    setInstances(service, instances ?? service.spec?.instances ?? 1);
    if (state === State.RUNNING) this.#run(service, "start");
    else for (const instance of service.status?.instances ?? []) instance.state = state;
    if (service.status) service.status.state = state;
    this.services.set(fullName, service);
    return service;
  }

  get(name: string): Service {
    const service = this.services.get(name.includes("/") ? name : `default/${name}`);
    if (!service) throw pmError(Code.NotFound, "NOT_FOUND", `no service is named "${name}"`);
    return service;
  }

  /** The last request of a method. */
  asked<Request = Record<string, unknown>>(method: string): Request {
    const found = this.requests.findLast((request) => request.method === method);
    if (!found) throw new Error(`${method} was not called, but ${this.requests.map(({ method }) => method).join(" ")}`);
    return found.message as Request;
  }

  #planned(): string[] {
    return this.plan.services.filter(({ defined }) => defined).map(({ name }) => name);
  }

  async *#watch(request: WatchRequest): AsyncGenerator<MessageInitShape<typeof WatchResponseSchema>> {
    const services = this.#take("watch", request, () => this.#select(request.selector).map(({ service }) => service));
    yield { phase: Phase.SNAPSHOT, services };
    yield { phase: Phase.SYNCED };
    yield* this.watchScript();
  }

  #take<Answer>(method: string, message: object, answer: () => Answer): Answer {
    this.requests.push({ method, message: message as Record<string, unknown> });
    const refusal = this.refusals.get(method);
    if (refusal) throw refusal;
    return answer();
  }

  #verb(method: string, request: { readonly selector?: Selector | undefined }, what: Action) {
    return this.#take(method, request, () => ({
      results: this.#select(request.selector).map(({ service, name }) => this.#run(service, what, name)),
    }));
  }

  #select(selector: Selector | undefined): { service: Service; name: string }[] {
    const namespace = selector?.namespace || (selector?.source ? "*" : "default");
    const all = [...this.services]
      .filter(([fullName]) => namespace === "*" || fullName.startsWith(`${namespace}/`))
      .map(([name, service]) => ({ name, service }));
    const states = selector?.states ?? [];
    const inState = all.filter(({ service }) => states.length === 0 || states.includes(service.status?.state ?? 0));
    if (!selector || selector.names.length === 0) return inState.filter(({ service }) => !selector?.source || service.source === selector.source);
    return selector.names.flatMap((text) => {
      const [name = "", index] = text.split("#");
      if (/[*?]/.test(name)) return inState.filter((target) => new RegExp(`/${name.replaceAll("*", ".*")}$`).test(target.name));
      const service = this.get(name);
      return [{ service, name: `${service.namespace}/${service.name}${index === undefined ? "" : `#${index}`}` }];
    });
  }

  #run(service: Service, what: Action, name = `${service.namespace}/${service.name}`): TargetResult {
    const problem = this.failures.get(service.name);
    if (problem) return create(TargetResultSchema, { name, outcome: Outcome.FAILED, problem });
    const { status } = service;
    const before = status?.state;
    if (status && what !== "signal") {
      status.state = what === "stop" ? State.STOPPED : State.RUNNING;
      status.desired = what === "stop" ? Desired.STOPPED : Desired.RUNNING;
      for (const instance of status.instances) {
        instance.state = status.state;
        instance.ready = what !== "stop";
        if (what === "stop") delete instance.run;
        else if (!instance.run || what === "restart") instance.run = runOf(this.#nextPid++);
      }
      status.instancesReady = what === "stop" ? 0 : status.instances.length;
    }
    const outcome = what !== "restart" && what !== "signal" && before === status?.state ? Outcome.UNCHANGED : Outcome.DONE;
    const pids = (status?.instances ?? []).flatMap(({ run }) => run?.pid ?? []);
    return create(TargetResultSchema, { name, outcome, state: status?.state ?? 0, pids });
  }
}

export const host = { cpuPercent: 12, cores: 2, memoryUsedBytes: 3n << 30n, memoryTotalBytes: 8n << 30n, load1: 0.5, load5: 0.25, load15: 0.125 };

type Action = "start" | "stop" | "restart" | "signal";
type Run = NonNullable<NonNullable<Service["status"]>["instances"][number]["run"]>;

function runOf(pid: number): Run {
  const { status } = create(ServiceSchema, { status: { instances: [{ run: { pid, startTime: { seconds: BigInt(now / 1000 - 180), nanos: 0 } } }] } });
  return status?.instances[0]?.run as Run;
}

function setInstances(service: Service, count: number): void {
  const instances = Array.from({ length: count }, (_, index) => ({
    name: `${service.namespace}/${service.name}#${index}`,
    index,
    state: State.STOPPED,
  }));
  const { status } = create(ServiceSchema, { status: { instances, instancesDesired: count, state: State.STOPPED } }) as {
    status: NonNullable<Service["status"]>;
  };
  service.status = status;
}

async function* nothing(): AsyncGenerator<never> {}
