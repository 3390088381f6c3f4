import packageJson from "../package.json" with { type: "json" };

/** Of pmctl; pmd says its own. */
export const version: string = packageJson.version;
