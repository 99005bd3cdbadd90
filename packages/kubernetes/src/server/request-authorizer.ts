/**
 * Who asks, and may they: a bearer token reviewed by the API server, then an access review for the path.
 *
 * Answers are kept for a short time, as kube-apiserver's delegates do, so that a scrape every few seconds is no load; a refusal is kept shorter.
 * Source: authentication.k8s.io/v1 TokenReview, authorization.k8s.io/v1 SubjectAccessReview (nonResourceAttributes).
 */
import { createHash } from "node:crypto";
import { type Clock, systemClock } from "@liquidmetal/foundation";
import { z } from "zod";
import type { KubernetesClient } from "../client/client.ts";

export type Authorization = "allowed" | "unauthenticated" | "forbidden";

const tokenReviewSchema = z.object({
  status: z
    .object({
      authenticated: z.boolean().default(false),
      user: z
        .object({
          username: z.string().default(""),
          uid: z.string().default(""),
          groups: z.array(z.string()).default([]),
          extra: z.record(z.string(), z.array(z.string())).default({}),
        })
        .prefault({}),
    })
    .prefault({}),
});

const accessReviewSchema = z.object({
  status: z.object({ allowed: z.boolean().default(false) }).prefault({}),
});

const allowedForMs = 60_000;
const refusedForMs = 10_000;
const keptMax = 1_000;

export class RequestAuthorizer {
  readonly #client: KubernetesClient;
  readonly #clock: Clock;
  readonly #kept: Map<string, { readonly answer: Authorization; readonly untilMs: number }> = new Map();

  constructor(client: KubernetesClient, clock: Clock = systemClock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** `header` is the request's "authorization". Throws `ApiError` when the API server cannot be asked. */
  async authorize(header: string | undefined, verb: string, path: string): Promise<Authorization> {
    const token = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
    if (token === undefined) return "unauthenticated";
    const key = createHash("sha256").update(`${verb} ${path} ${token}`).digest("hex");
    const nowMs = this.#clock.monotonicMs();
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.untilMs > nowMs) return kept.answer;
    const answer = await this.#ask(token, verb, path);
    if (this.#kept.size >= keptMax) this.#kept.clear();
    this.#kept.set(key, { answer, untilMs: nowMs + (answer === "allowed" ? allowedForMs : refusedForMs) });
    return answer;
  }

  async #ask(token: string, verb: string, path: string): Promise<Authorization> {
    const timeout = { timeoutMs: 10_000 };
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } };
    const reviewed = await this.#client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review, timeout);
    const { authenticated, user } = tokenReviewSchema.parse(reviewed).status;
    if (!authenticated) return "unauthenticated";
    const access = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        nonResourceAttributes: { verb, path },
      },
    };
    const decided = await this.#client.request(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      access,
      timeout,
    );
    return accessReviewSchema.parse(decided).status.allowed ? "allowed" : "forbidden";
  }
}
