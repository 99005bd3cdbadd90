/** The spawner: processes that outlive the agent, started by a small process of their own. */
export { type ProcessSpawner, type SpawnerOptions, startSpawner } from "./client.ts";
export { FakeSpawner, type FakeSpawnerOptions } from "./fake/spawner.ts";
