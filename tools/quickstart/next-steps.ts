/** How to go on after the quickstart. */

export function nextSteps(microVm: string, platform: string): string {
  const flag = platform === "default" ? "" : ` --platform ${platform}`;
  const steps: readonly (readonly [command: string, meaning: string])[] = [
    [`bin/lm vm ssh ${microVm}${flag}`, "a shell in the guest"],
    [`bin/lm vm describe ${microVm}${flag}`, "everything known of it"],
    [`bin/lm vm logs ${microVm}${flag}`, "its console"],
    [`bin/lm status${flag}`, "the parts of the embedded host"],
    ["bin/lm --help", "everything else"],
  ];
  const width = Math.max(...steps.map(([command]) => command.length));
  const lines = steps.map(([command, meaning]) => `  ${command.padEnd(width)}   ${meaning}\n`);
  const name = platform === "default" ? "" : ` --name ${platform}`;
  return `It runs. Go on with:\n${lines.join("")}Take it all down with:\n  npm run quickstart -- --down${name}\n`;
}
