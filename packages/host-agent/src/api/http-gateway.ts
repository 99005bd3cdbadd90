/**
 * The HTTP/JSON gateway: upstream's routes and casing, in front of the same handlers, in the same process.
 *
 * Unlike upstream's it has the same token, TLS and client certificates as gRPC, and a microVM can be got by its uid: a path segment that is a ULID
 * is tried as one first. Like upstream's it does not care for the content type of a body.
 */
import { rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Readable } from "node:stream";
import { create, type JsonValue } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import {
  CreateMicroVMRequestSchema,
  CreateMicroVMResponseSchema,
  DeleteMicroVMRequestSchema,
  GetMicroVMRequestSchema,
  GetMicroVMResponseSchema,
  ListMessageSchema,
  type ListMicroVMsRequest,
  ListMicroVMsRequestSchema,
  ListMicroVMsResponseSchema,
  MicroVMSpecSchema,
  messageFromJson,
  messageToJson,
} from "@liquidmetal/api";
import type { CallContext } from "@liquidmetal/api/server";
import { PlatformError } from "@liquidmetal/foundation";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { formatListenAddress, type ListenAddress } from "../config/listen-address.ts";
import type { ApiContext } from "./api-context.ts";
import type { ApiMetrics } from "./api-metrics.ts";
import type { Authenticator } from "./authentication.ts";
import type { RunningServer } from "./grpc-server.ts";
import { failureOf, notFound, sendFailure, wrongMethod } from "./http-errors.ts";
import type { MicroVmHandlers } from "./microvm-service.ts";
import { openApiText } from "./openapi.ts";
import { type TlsMaterial, tlsServerOptions } from "./tls-material.ts";
import { claimSocketPath, protectSocket } from "./unix-socket.ts";

export interface HttpGatewayOptions {
  readonly context: ApiContext;
  readonly address: ListenAddress;
  readonly microVms: MicroVmHandlers;
  readonly authenticate: Authenticator;
  readonly tls: TlsMaterial | undefined;
  readonly metrics: ApiMetrics | undefined;
}

const collection = "/v1alpha1/microvm";
const streamPath = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream";
const ulidShape = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
/** Reachable without a token: they tell nothing about microVMs. */
const open: ReadonlySet<string> = new Set(["/healthz", "/openapi.json"]);
/** Upstream's own. */
const headersTimeoutMs = 3_000;
const requestTimeoutMs = 60_000;

export async function startHttpGateway(options: HttpGatewayOptions): Promise<RunningServer> {
  const { address, context } = options;
  const app = gateway(options);
  try {
    await listen(app, address);
  } catch (error) {
    await app.close();
    if (error instanceof PlatformError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const text = `cannot listen on ${formatListenAddress(address)}: ${reason}`;
    throw new PlatformError("CONFIG_INVALID", text, {
      cause: error,
      remedy: "choose another address, or stop what uses it",
    });
  }
  const bound = app.addresses()[0];
  const port = typeof bound === "object" ? bound.port : 0;
  return {
    addresses: [formatListenAddress(address.kind === "tcp" ? { ...address, port } : address)],
    stop: async (timeoutMs) => {
      const { promise: overdue, resolve } = Promise.withResolvers<void>();
      const deadline = setTimeout(() => {
        app.server.closeAllConnections();
        resolve();
      }, timeoutMs);
      await Promise.race([app.close(), overdue]);
      clearTimeout(deadline);
      if (address.kind === "unix") await rm(address.path, { force: true });
      context.log.debug("api.http_stopped");
    },
  };
}

/** The gateway without a listener; also what tests inject requests into. */
export function gateway(options: HttpGatewayOptions): FastifyInstance {
  const { address, context, authenticate, metrics } = options;
  // A socket is guarded by its file mode; certificates name hosts, not paths.
  const tls = address.kind === "unix" ? undefined : options.tls;
  const app = Fastify({
    bodyLimit: context.config.api.bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: "idle",
    logger: false,
    serverFactory: (handler): Server => {
      const limits = { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs };
      return tls === undefined
        ? createServer(limits, handler)
        : createTlsServer({ ...tlsServerOptions(tls), ...limits }, handler);
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  app.addHook("onRequest", async (request) => {
    refuseForeignPages(request, address);
    if (open.has(request.routeOptions.url ?? "")) return;
    const refusal = authenticate(request.headers.authorization);
    if (refusal !== undefined) throw refusal;
  });
  app.addHook("onResponse", async (request, reply) => {
    metrics?.callFinished({
      protocol: "http",
      method: `${request.method} ${request.routeOptions.url ?? "unknown"}`,
      status: reply.statusCode,
      durationMs: reply.elapsedTime,
    });
  });
  app.setErrorHandler((error, request, reply) => {
    const onDefect = (defect: unknown): void => context.log.error("api.defect", { method: request.url, error: defect });
    return sendFailure(reply, failureOf(error, onDefect));
  });
  app.setNotFoundHandler((request, reply) => sendFailure(reply, isKnownPath(request.url) ? wrongMethod : notFound));
  addRoutes(app, options);
  return app;
}

function addRoutes(app: FastifyInstance, { microVms, context }: HttpGatewayOptions): void {
  app.post(collection, async (request, reply) => {
    if (text(request) === "")
      throw new PlatformError("REQUEST_INVALID", "the body is empty: send the microVM spec as JSON");
    const microvm = messageFromJson(MicroVMSpecSchema, body(request));
    const created = await microVms.createMicroVM(create(CreateMicroVMRequestSchema, { microvm }), call(request, reply));
    return sendJson(reply, messageToJson(CreateMicroVMResponseSchema, created));
  });
  app.delete<{ Params: { uid: string } }>(`${collection}/:uid`, async (request, reply) => {
    const { uid } = request.params;
    const deleted = await microVms.deleteMicroVM(create(DeleteMicroVMRequestSchema, { uid }), call(request, reply));
    return sendJson(reply, messageToJson(EmptySchema, deleted));
  });
  app.get<{ Params: { segment: string } }>(`${collection}/:segment`, (request, reply) =>
    getOrList(microVms, request, reply, query(request).get("name")),
  );
  // A form sent to a GET route counts as that GET, with the form's fields as its parameters.
  app.post<{ Params: { segment: string } }>(`${collection}/:segment`, async (request, reply) => {
    const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
    if (!isForm) return sendFailure(reply, wrongMethod);
    return getOrList(microVms, request, reply, new URLSearchParams(text(request)).get("name"));
  });
  app.post(streamPath, async (request, reply) => {
    const wanted = messageFromJson(ListMicroVMsRequestSchema, text(request) === "" ? {} : body(request));
    const lines = Readable.from(streamLines(microVms, wanted, call(request, reply), context));
    return reply.type("application/json").send(lines);
  });
  app.get("/healthz", async (_request, reply) => {
    const healthy = context.application.healthy();
    return reply.code(healthy ? 200 : 503).send({ status: healthy ? "SERVING" : "NOT_SERVING" });
  });
  app.get("/openapi.json", async (_request, reply) => reply.type("application/json").send(openApiText()));
}

async function getOrList(
  microVms: MicroVmHandlers,
  request: FastifyRequest<{ Params: { segment: string } }>,
  reply: FastifyReply,
  name: string | null,
): Promise<FastifyReply> {
  const { segment } = request.params;
  const context = call(request, reply);
  const listRequest = create(ListMicroVMsRequestSchema, { namespace: segment, ...(name === null ? {} : { name }) });
  if (!ulidShape.test(segment)) {
    return sendJson(
      reply,
      messageToJson(ListMicroVMsResponseSchema, await microVms.listMicroVMs(listRequest, context)),
    );
  }
  try {
    const found = await microVms.getMicroVM(create(GetMicroVMRequestSchema, { uid: segment }), context);
    return sendJson(reply, messageToJson(GetMicroVMResponseSchema, found));
  } catch (error) {
    // A namespace may look like a ULID too.
    const listed = await microVms.listMicroVMs(listRequest, context);
    if (listed.microvm.length === 0) throw error;
    return sendJson(reply, messageToJson(ListMicroVMsResponseSchema, listed));
  }
}

async function* streamLines(
  microVms: MicroVmHandlers,
  request: ListMicroVMsRequest,
  context: CallContext,
  { log }: ApiContext,
): AsyncGenerator<string> {
  try {
    for await (const message of microVms.listMicroVMsStream(request, context)) {
      yield `${JSON.stringify({ result: messageToJson(ListMessageSchema, message) })}\n`;
    }
  } catch (error) {
    const failure = failureOf(error, (defect) => log.error("api.defect", { method: streamPath, error: defect }));
    yield `${JSON.stringify({ error: failure.body })}\n`;
  }
}

async function listen(app: FastifyInstance, address: ListenAddress): Promise<void> {
  if (address.kind === "tcp") {
    const host = address.host === "" ? "::" : address.host.replace(/^\[|\]$/g, "");
    await app.listen({ host, port: address.port });
    return;
  }
  await claimSocketPath(address.path);
  await app.listen({ path: address.path });
  await protectSocket(address.path);
}

/**
 * A web page of somebody else must not reach this host through a visitor's browser: browsers name the page's origin with every request that
 * changes something. Where only this machine is listened to, the page has to be of this machine too (names can be made to point here).
 */
function refuseForeignPages(request: FastifyRequest, address: ListenAddress): void {
  const { origin, host } = request.headers;
  if (origin === undefined) return;
  const page = URL.canParse(origin) ? new URL(origin) : undefined;
  const isSame = page !== undefined && page.host === host;
  const isLocal = page !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(page.hostname);
  if (isSame && (isLocal || !(address.kind === "tcp" && address.loopback))) return;
  throw new PlatformError("REQUEST_INVALID", "requests from web pages of other origins are refused");
}

function isKnownPath(url: string): boolean {
  const path = url.split("?")[0] ?? "";
  return path === collection || path === streamPath || /^\/v1alpha1\/microvm\/[^/]*$/.test(path) || open.has(path);
}

function text(request: FastifyRequest): string {
  return typeof request.body === "string" ? request.body.trim() : "";
}

function body(request: FastifyRequest): JsonValue {
  try {
    return JSON.parse(text(request));
  } catch (error) {
    throw new PlatformError("REQUEST_INVALID", "the body is not JSON", { cause: error });
  }
}

function query(request: FastifyRequest): URLSearchParams {
  const mark = request.url.indexOf("?");
  return new URLSearchParams(mark < 0 ? "" : request.url.slice(mark + 1));
}

function sendJson(reply: FastifyReply, json: JsonValue): FastifyReply {
  return reply.type("application/json").send(JSON.stringify(json));
}

function call(request: FastifyRequest, reply: FastifyReply): CallContext {
  const controller = new AbortController();
  reply.raw.once("close", () => controller.abort(new PlatformError("CANCELLED", "the client went away")));
  return { method: request.routeOptions.url ?? "", signal: controller.signal, peer: request.ip };
}
