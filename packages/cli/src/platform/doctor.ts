/** The findings of the doctor, for people or as data. */
import { type Finding, findings } from "@liquidmetal/platform/doctor";
import type { Json } from "../output/format.ts";
import { toYaml } from "../output/print.ts";
import { renderTable } from "../output/table.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";

const marks = { ok: ["green", "✓"], info: ["dim", "·"], warn: ["yellow", "!"], fail: ["red", "✗"] } as const;

export async function runDoctor(invocation: Invocation, session: Session): Promise<number | undefined> {
  using stages = session.stages();
  const probe = invocation.flags.text("probe") !== "false";
  const found = await stages.run("Looking at this machine", () => findings({ probe, signal: session.signal }));
  const failed = found.some((finding) => finding.status === "fail");
  if (session.format === "json") session.print(JSON.stringify(found, null, 2));
  else if (session.format === "yaml") session.print(await toYaml(found.map((finding): Json => ({ ...finding }))));
  else if (session.format === "name") for (const finding of found) session.print(finding.id);
  else session.print(table(session, found));
  return failed ? 1 : 0;
}

function table(session: Session, found: readonly Finding[]): string {
  const lines = renderTable(
    found,
    [
      { header: "", value: (finding) => marks[finding.status][1] },
      { header: "", value: (finding) => finding.title },
      { header: "", value: (finding) => finding.detail },
    ],
    { header: false },
  )
    .trimEnd()
    .split("\n");
  const text = lines.map((line, index) => {
    const finding = found[index];
    if (finding === undefined) return line;
    const [style, mark] = marks[finding.status];
    const remedy = finding.remedy === "" ? "" : `\n     ${session.paint("cyan", "→")} ${finding.remedy}`;
    return `${session.paint(style, mark)}${line.slice(mark.length)}${remedy}`;
  });
  const count = (status: Finding["status"]): number => found.filter((finding) => finding.status === status).length;
  return `${text.join("\n")}\n\n${count("ok")} good, ${count("warn")} to consider, ${count("fail")} missing\n`;
}
