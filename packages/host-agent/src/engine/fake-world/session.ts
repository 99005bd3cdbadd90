/**
 * One life of the agent on the fake host.
 *
 * When it is severed (the agent was killed), calls through its ports neither do anything nor ever return: that is what a dead process does.
 */
export class Session {
  #severed = false;

  get severed(): boolean {
    return this.#severed;
  }

  sever(): void {
    this.#severed = true;
  }

  /** The same object, through which a dead agent does nothing more. */
  guard<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key, object);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (this.#severed) return never;
          const result: unknown = Reflect.apply(value, object, args);
          return result instanceof Promise ? this.#reply(result) : result;
        };
      },
    });
  }

  /** The answer to a call of an agent that died while it waited is never heard. */
  async #reply(result: Promise<unknown>): Promise<unknown> {
    const [settled] = await Promise.allSettled([result]);
    if (this.#severed) return await never;
    if (settled?.status === "rejected") throw settled.reason;
    return settled?.value;
  }
}

const never: Promise<never> = new Promise(() => undefined);
