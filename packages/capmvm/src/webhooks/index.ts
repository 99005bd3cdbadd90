/** Admission and conversion webhooks of the provider. */
export { type WebhookConfigurationOptions, webhookConfigurations } from "./configurations.ts";
export { conversionPath, type WebhookRegistration, webhookRegistrations, webhookRoutes } from "./registrations.ts";
