/** The fake and the real spawner keep the same promises. */
import { FakeSpawner, startSpawner } from "@liquidmetal/spawner";
import { spawnerSuite } from "./spawner-suite.ts";

spawnerSuite("in memory", async () => new FakeSpawner());
spawnerSuite("its own process", () => startSpawner());
