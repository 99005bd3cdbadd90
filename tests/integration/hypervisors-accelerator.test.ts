/** The probe of the accelerator with real QEMU: what it concludes is what really runs. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { probeAccelerator } from "@liquidmetal/hypervisors";
import { type ProcessSpawner, startSpawner } from "@liquidmetal/spawner";
import { testKernel } from "../assets/kernel.ts";

describe("accelerator probe", () => {
  const folder = mkdtempSync(join(tmpdir(), "lmt-probe-"));
  let spawner: ProcessSpawner;
  before(async () => {
    spawner = await startSpawner();
  });
  after(async () => {
    await spawner.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("chooses KVM only when every guest ran under it, else proves TCG", async (context) => {
    const { kernelPath } = await testKernel();
    const verdict = unwrap(await probeAccelerator({ spawner, kernelPath }));
    for (const finding of verdict.findings) context.diagnostic(JSON.stringify(finding));
    const ofChosen = verdict.findings.filter((finding) => finding.accelerator === verdict.accelerator);
    assert.ok(ofChosen.length > 0 && ofChosen.every((finding) => finding.passed));
    if (verdict.accelerator === "tcg")
      assert.ok(verdict.findings.some((finding) => finding.accelerator === "kvm" && !finding.passed));
  });

  it("keeps its verdict, and asks again when something has changed", async () => {
    const cachePath = join(folder, "accelerator.json");
    const first = unwrap(await probeAccelerator({ spawner, cachePath }));
    assert.deepEqual(unwrap(await probeAccelerator({ spawner, cachePath })), first);
    const kept = JSON.parse(readFileSync(cachePath, "utf8"));
    const forged = { accelerator: "kvm", findings: [] };
    writeFileSync(cachePath, JSON.stringify({ ...kept, verdict: forged }));
    assert.deepEqual(unwrap(await probeAccelerator({ spawner, cachePath })), forged);
    writeFileSync(cachePath, JSON.stringify({ key: "another boot", verdict: forged }));
    assert.equal(unwrap(await probeAccelerator({ spawner, cachePath })).accelerator, first.accelerator);
    writeFileSync(cachePath, "{");
    assert.equal(unwrap(await probeAccelerator({ spawner, cachePath })).accelerator, first.accelerator);
  });

  it("says that QEMU is missing", async () => {
    const failed = await probeAccelerator({ spawner, program: "missing-qemu" });
    assert.ok(!failed.ok && failed.error.code === "HYPERVISOR_UNAVAILABLE");
  });

  it("boots a real kernel to its init with the probe's initrd", async () => {
    const { kernelPath } = await testKernel();
    const { probeInitrd, probeLine } = await import("../../packages/hypervisors/src/qemu/probe-guests.ts");
    const initrd = join(folder, "initrd.cpio");
    writeFileSync(initrd, probeInitrd());
    const machine = [
      "-M",
      "microvm,x-option-roms=off,rtc=on,acpi=on",
      "-accel",
      "tcg",
      "-cpu",
      "max",
      "-m",
      "256",
      "-nodefaults",
    ];
    const args = [
      ...machine,
      "-no-user-config",
      "-nographic",
      "-serial",
      "stdio",
      "-no-reboot",
      "-kernel",
      kernelPath,
      "-initrd",
      initrd,
    ];
    const append = ["-append", "console=ttyS0 panic=-1 reboot=t tsc_early_khz=2000000"];
    const ran = unwrap(
      await spawner.run({ program: "qemu-system-x86_64", args: [...args, ...append], timeoutMs: 40_000 }),
    );
    assert.equal(ran.code, 0);
    assert.ok(ran.stdout.includes(probeLine), ran.stdout.slice(-500));
  });
});
