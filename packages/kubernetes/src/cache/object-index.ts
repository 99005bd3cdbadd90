/** Objects by a value computed from them. */
export class ObjectIndex<T> {
  readonly #valuesOf: (object: T) => readonly string[];
  readonly #objects: Map<string, Map<string, T>> = new Map();

  constructor(valuesOf: (object: T) => readonly string[]) {
    this.#valuesOf = valuesOf;
  }

  add(key: string, object: T): void {
    for (const value of this.#valuesOf(object)) {
      const objects = this.#objects.get(value);
      if (objects === undefined) this.#objects.set(value, new Map([[key, object]]));
      else objects.set(key, object);
    }
  }

  remove(key: string, object: T): void {
    for (const value of this.#valuesOf(object)) {
      const objects = this.#objects.get(value);
      objects?.delete(key);
      if (objects?.size === 0) this.#objects.delete(value);
    }
  }

  get(value: string): readonly T[] {
    return [...(this.#objects.get(value)?.values() ?? [])];
  }
}
