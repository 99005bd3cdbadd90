/** Admission and conversion webhooks of the provider. */
export { webhookConfigurations } from "./configurations.ts";
export { conversionPath, webhookRoutes } from "./registrations.ts";
