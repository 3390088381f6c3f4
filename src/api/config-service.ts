import type { ServiceImpl } from "@connectrpc/connect";
import type { ConfigFile, ConfigService, ApplyOptions as OptionsMessage } from "../../gen/pm/v1/config_service_pb.ts";
import { serviceKey } from "../core/names.ts";
import type { ApplyOptions, DefinitionFile, Definitions } from "../supervisor/definitions.ts";
import { fromPlan } from "./convert-plan.ts";
import { fromSpec } from "./convert-spec.ts";
import { fromService, fromTarget } from "./convert-status.ts";
import { fromWallTime } from "./convert-time.ts";
import { toWait } from "./convert-wait.ts";

export function configService(definitions: Definitions): ServiceImpl<typeof ConfigService> {
  return {
    async validateConfig({ file }) {
      const { source, services } = await definitions.check(toFile(file));
      return { source, services: services.map(({ namespace, name }) => serviceKey(namespace, name)) };
    },

    planConfig: async ({ file, options }) => ({ plan: fromPlan(await definitions.plan(toFile(file), toOptions(options))) }),

    async applyConfig({ file, options, fingerprint, wait }, { signal }) {
      const how = { ...toOptions(options), ...(fingerprint !== "" && { fingerprint }) };
      const { plan, results } = await definitions.apply(toFile(file), how, toWait(wait), signal);
      return { plan: fromPlan(plan), results: results.map(fromTarget) };
    },

    getConfig() {
      const { path, readAt, problems } = definitions.own;
      return { path, problems: [...problems], ...(readAt !== undefined && { readTime: fromWallTime(readAt) }) };
    },

    listRevisions({ name }) {
      const revisions = definitions.revisions(name).map(({ generation, at, origin, spec }) => ({
        generation: BigInt(generation),
        createTime: fromWallTime(at),
        origin,
        spec: fromSpec(spec, "masked"),
      }));
      return { revisions };
    },

    async rollbackService({ name, generation, wait }, { signal }) {
      const { service, results } = await definitions.rollback(name, Number(generation), toWait(wait), signal);
      return { service: fromService(service), results: results.map(fromTarget) };
    },
  };
}

function toFile(file: ConfigFile | undefined): DefinitionFile {
  return { path: file?.path ?? "", ...(file?.text !== undefined && { text: file.text }) };
}

function toOptions(options: OptionsMessage | undefined): ApplyOptions {
  const { names = [], prune = false, force = false, resetOverrides = false } = options ?? {};
  return { names, prune, force, resetOverrides };
}
