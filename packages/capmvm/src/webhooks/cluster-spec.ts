/** The spec of a cluster, in a MicrovmCluster or its template: the pool, the way to its hosts, the endpoint and where it comes from. */
import { parseAddressPool } from "../address/address-pool.ts";
import { canonicalHost, parseIpAddress } from "../address/ip-address.ts";
import { clusterSpecSchema, type MicrovmClusterSpec, type MicrovmHost } from "../api/index.ts";
import { parseEndpoint } from "../hosts/endpoint.ts";
import type { Findings } from "./findings.ts";
import { checkSchema } from "./schema-check.ts";

const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?)*\.?$/;

export function checkClusterSpec(findings: Findings, spec: MicrovmClusterSpec, path: string): void {
  const hosts = spec?.placement?.staticPool?.hosts;
  if (Array.isArray(hosts) && hosts.length === 0) {
    findings.refuse(
      `${path}.placement.staticPool.hosts`,
      "Required",
      "machines need somewhere to run; name at least one host, as in [{endpoint: 10.0.0.1:9090}]",
    );
    return;
  }
  if (!checkSchema(findings, clusterSpecSchema, spec, path)) return;
  checkHosts(findings, spec.placement.staticPool.hosts, `${path}.placement.staticPool.hosts`);
  checkEndpoint(findings, spec, path);
  checkAddressPool(findings, spec, `${path}.controlPlaneAddressPool`);
  checkProxy(findings, spec.hostAccess?.proxy?.url, `${path}.hostAccess.proxy.url`);
  if (spec.hostAccess?.tokenSecretRef !== undefined && spec.hostAccess.tlsSecretRef === undefined) {
    findings.warn(`${path}.hostAccess`, "without tlsSecretRef the tokens travel in clear text");
  }
}

function checkHosts(findings: Findings, hosts: readonly MicrovmHost[], path: string): void {
  const seen = new Map<string, string>();
  for (const [index, { endpoint }] of hosts.entries()) {
    const at = `${path}[${index}].endpoint`;
    const parsed = parseEndpoint(endpoint);
    if (!parsed.ok) {
      findings.refuse(
        at,
        "Invalid",
        `"${endpoint}" is no host:port; write it as in 10.0.0.1:9090, host.example:9090 or [fd00::1]:9090`,
      );
      continue;
    }
    const canonical = `${canonicalHost(parsed.value.host)} ${parsed.value.port}`;
    const other = seen.get(canonical);
    if (other !== undefined) findings.refuse(at, "Duplicate", `"${endpoint}" is the same host as "${other}"`);
    seen.set(canonical, endpoint);
  }
  if (hosts.every(({ controlPlaneAllowed }) => controlPlaneAllowed === false)) {
    findings.warn(path, "no host may run control planes (controlPlaneAllowed is false for all)");
  }
}

function checkEndpoint(findings: Findings, spec: MicrovmClusterSpec, path: string): void {
  const { controlPlaneEndpoint: endpoint, controlPlaneAddressPool: pool } = spec;
  if (endpoint === undefined) return;
  const { host } = endpoint;
  if (parseIpAddress(host) === undefined && !hostName.test(host)) {
    const hint = host.startsWith("[") ? "; an IPv6 address stands here without brackets" : "";
    findings.refuse(
      `${path}.controlPlaneEndpoint.host`,
      "Invalid",
      `"${host}" is neither an IP address nor a DNS name${hint}; the port has its own field`,
    );
  }
  if (pool !== undefined && pool.port !== endpoint.port) {
    findings.warn(
      `${path}.controlPlaneAddressPool.port`,
      `has no effect: the endpoint has port ${endpoint.port} already`,
    );
  }
}

function checkAddressPool(
  findings: Findings,
  { controlPlaneAddressPool: pool }: MicrovmClusterSpec,
  path: string,
): void {
  if (pool === undefined) return;
  const { addresses, poolRef } = pool;
  if ((addresses === undefined) === (poolRef === undefined)) {
    findings.refuse(
      path,
      "Invalid",
      "the pool is either a list of addresses or a reference to a pool of an IPAM provider; give one of addresses and poolRef",
    );
  }
  const parsed = parseAddressPool(addresses ?? []);
  for (const { index, message } of parsed.ok ? [] : parsed.error) {
    findings.refuse(`${path}.addresses[${index}]`, "Invalid", message);
  }
}

function checkProxy(findings: Findings, url: string | undefined, path: string): void {
  if (url === undefined) return;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol) || parsed.hostname === "") {
    findings.refuse(path, "Invalid", `"${url}" is no URL of an HTTP proxy, as in http://10.0.0.5:3128`);
  } else if (parsed.password !== "") {
    findings.warn(path, "holds a password, which everybody can read who can read this object");
  }
}
