/** Tests of one story: each goes on where the one before ended, so that after a failure the rest is not tried; it would only wait for what cannot come. */
import { it } from "node:test";

export function story(): (name: string, step: () => Promise<void> | void) => void {
  let broken: string | undefined;
  return (name, step) => {
    it(name, async (context) => {
      if (broken !== undefined) {
        context.skip(`not tried, because an earlier step failed: ${broken}`);
        return;
      }
      try {
        await step();
      } catch (error) {
        broken = name;
        throw error;
      }
    });
  };
}
