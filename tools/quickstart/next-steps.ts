/** How to go on after the quickstart: commands that work as they stand. */

type Step = readonly [command: string, meaning: string];

export function nextStepsOfCluster(cluster: string, platform: string): string {
  const flag = flagOf(platform);
  const lines = table([
    [`bin/lm kubectl --cluster ${cluster}${flag} -- get pods -A -o wide`, "everything that runs in it"],
    [`bin/lm cluster kubeconfig ${cluster} --merge --use${flag}`, "for a kubectl of your own"],
    [`bin/lm cluster kubeconfig ${cluster}${flag} > ${cluster}.kubeconfig`, "the same in a file of its own"],
    [`bin/lm cluster describe ${cluster}${flag}`, "its conditions, as a tree"],
    [`bin/lm cluster scale ${cluster} --workers 2 --wait${flag}`, "another worker"],
    [`bin/lm vm list${flag}`, "the microVMs that its nodes are"],
    [`bin/lm cluster delete ${cluster}${flag}`, "the cluster alone"],
    [`bin/lm status${flag}`, "the parts of the platform"],
  ]);
  return `It runs. Go on with:\n${lines}${takeDown(platform)}`;
}

export function nextStepsOfMicroVm(microVm: string, platform: string): string {
  const flag = flagOf(platform);
  const lines = table([
    [`bin/lm vm ssh ${microVm}${flag}`, "a shell in the guest"],
    [`bin/lm vm describe ${microVm}${flag}`, "everything known of it"],
    [`bin/lm vm logs ${microVm}${flag}`, "its console"],
    [`bin/lm status${flag}`, "the parts of the embedded host"],
    ["bin/lm --help", "everything else"],
  ]);
  return `It runs. Go on with:\n${lines}${takeDown(platform)}`;
}

const flagOf = (platform: string): string => (platform === "default" ? "" : ` --platform ${platform}`);

function takeDown(platform: string): string {
  const name = platform === "default" ? "" : ` --name ${platform}`;
  return `Take it all down with:\n  npm run quickstart -- --down${name}\n`;
}

function table(steps: readonly Step[]): string {
  const width = Math.max(...steps.map(([command]) => command.length));
  return steps.map(([command, meaning]) => `  ${command.padEnd(width)}   ${meaning}\n`).join("");
}
