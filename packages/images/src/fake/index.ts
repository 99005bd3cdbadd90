/** Fakes of the image ports, held to the same conformance suites as the real ones. */
export { FakeBlockStore, type FakeBlockStoreOptions } from "./fake-block-store.ts";
export { FakeFileStore, type FakeImage, FakeImageStore } from "./fake-image-store.ts";
