/**
 * Many callers, few runs: what is asked for while a run is under way goes together into the next one.
 *
 * A lone request starts at once; two hundred at the same moment become two runs. One run is under way at a time, so runs never race each other.
 * A request cannot be withdrawn once it has been asked for: a caller that gives up releases what was made, like any other.
 */
export class Coalescer<Request, Answer> {
  readonly #run: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  readonly #batchMax: number;
  #waiting: { readonly request: Request; readonly answer: PromiseWithResolvers<Answer> }[] = [];
  #running = false;

  /** `run` answers every request, in order, and rejects only when all of them failed for one reason. */
  constructor(run: (requests: readonly Request[]) => Promise<readonly Answer[]>, batchMax = 256) {
    this.#run = run;
    this.#batchMax = batchMax;
  }

  ask(request: Request): Promise<Answer> {
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.push({ request, answer });
    if (!this.#running) void this.#work();
    return answer.promise;
  }

  async #work(): Promise<void> {
    this.#running = true;
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#batchMax);
      try {
        const answers = await this.#run(batch.map(({ request }) => request));
        for (const [index, { answer }] of batch.entries()) {
          const value = answers[index];
          if (value === undefined) answer.reject(new Error("a coalesced run left a request unanswered"));
          else answer.resolve(value);
        }
      } catch (error) {
        for (const { answer } of batch) answer.reject(error);
      }
    }
    this.#running = false;
  }
}
