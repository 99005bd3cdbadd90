/** Objects whose absent fields are absent, not undefined; and texts that v1alpha1 leaves empty for "not given". */

/** The same object without the fields that are undefined. */
export function present<T extends object>(fields: { readonly [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** Go's "" means "not given". */
export function given(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
