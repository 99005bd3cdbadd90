/**
 * A process of fake flintlockds, for benches and for tests that must not share an event loop with them: `node main.ts`.
 *
 * Takes `{"id":1,"control":{…}}` on standard input, one a line (`control.ts`), and answers `{"id":1,"answer":…}` or `{"id":1,"error":"…"}`. It ends, and
 * leaves nothing, when its standard input ends: with whoever started it, however that ends.
 */
import { createInterface } from "node:readline";
import { type Control, ControlledFakes } from "./control.ts";

interface Line {
  readonly id: number;
  readonly control: Control;
}

await using fakes = new ControlledFakes();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, control }: Line = JSON.parse(line);
  fakes.obey(control).then(
    (answer) => say({ id, answer }),
    (error: unknown) => say({ id, error: error instanceof Error ? error.message : String(error) }),
  );
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
