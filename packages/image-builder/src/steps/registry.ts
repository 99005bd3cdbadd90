/** Every kind of step there is. A new kind is a folder beside this file and a line here. */
import { archive } from "./archive/step.ts";
import { containers } from "./containers/step.ts";
import { debian } from "./debian/step.ts";
import { files } from "./files/step.ts";
import { go } from "./go/step.ts";
import { kernelDistro } from "./kernel-distro/step.ts";
import { kernelSource } from "./kernel-source/step.ts";
import { packages } from "./packages/step.ts";
import type { StepKind } from "./step-kind.ts";

/** A kind whose fields are not known here: they were checked by its own schema before they come to it. */
export type AnyStepKind = StepKind<unknown>;

export const stepKinds: ReadonlyMap<string, AnyStepKind> = new Map(
  [archive, containers, debian, files, go, kernelDistro, kernelSource, packages].map((kind) => [
    kind.name,
    kind as unknown as AnyStepKind,
  ]),
);
