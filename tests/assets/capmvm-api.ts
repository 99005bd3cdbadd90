/**
 * The API of capmvm on a real API server: CRDs of both versions, admission and conversion answered by our own webhook server in this process.
 *
 *     await using api = await serveCapmvmApi(server);
 *     await server.kubectl(["get", "mvmc", "-A"]);
 *
 * The CRDs stay when it is gone; what needs a conversion then fails, as it does in a cluster whose provider is down.
 */
import { readFile } from "node:fs/promises";
import { manifestYaml, startWebhookServer, type WebhookAddress } from "@liquidmetal/kubernetes";
import { crds } from "../../packages/capmvm/src/api/index.ts";
import { conversionPath, webhookConfigurations, webhookRoutes } from "../../packages/capmvm/src/webhooks/index.ts";
import type { ApiServer } from "./management-plane.ts";

export interface CapmvmApi extends AsyncDisposable {
  /** Where the webhooks are, by their path. */
  readonly address: (path: string) => WebhookAddress;
}

export interface CapmvmApiOptions {
  /** Without admission webhooks: conversion only. Default false. */
  readonly conversionOnly?: boolean;
}

/** Resolves when the API server serves both versions of every kind. */
export async function serveCapmvmApi(server: ApiServer, options: CapmvmApiOptions = {}): Promise<CapmvmApi> {
  const { serving, authority } = server.plane.certificates;
  const webhooks = await startWebhookServer({
    host: "127.0.0.1",
    port: 0,
    certificatePath: serving.certificate,
    keyPath: serving.key,
    routes: webhookRoutes(),
  });
  const caBundle = Buffer.from(await readFile(authority.certificate)).toString("base64");
  const address = (path: string): WebhookAddress => ({ url: `https://127.0.0.1:${webhooks.port}${path}`, caBundle });
  const configurations = options.conversionOnly === true ? [] : webhookConfigurations({ address, injectCaFrom: "" });
  try {
    const manifest = manifestYaml(...crds(address(conversionPath)), ...configurations);
    await server.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], manifest);
    const names = crds().map(({ metadata }) => `crd/${metadata.name}`);
    await server.kubectl(["wait", "--for=condition=Established", "--timeout=30s", ...names]);
  } catch (error) {
    await webhooks[Symbol.asyncDispose]();
    throw error;
  }
  return { address, [Symbol.asyncDispose]: () => webhooks[Symbol.asyncDispose]() };
}
