/**
 * Where a number was measured: what may explain it later.
 *
 * @module
 */

/** Versions, system, processor, and what TCP does here. What cannot be read is left out. */
export async function describeEnvironment(version: string): Promise<Record<string, string | number>> {
  const cpu = await firstMatch("/proc/cpuinfo", /^model name\s*:\s*(.+)$/m);
  const congestion = await tcpCongestionControl();
  return {
    pi0: version,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os: `${Deno.build.os} ${Deno.osRelease()}`,
    arch: Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    ...(cpu === undefined ? {} : { cpu }),
    ...(congestion === undefined ? {} : { tcpCongestionControl: congestion }),
  };
}

/** What decides how fast this host's TCP sends, unless a route says otherwise; undefined where it does not tell. */
export function tcpCongestionControl(): Promise<string | undefined> {
  return firstMatch("/proc/sys/net/ipv4/tcp_congestion_control", /^(\S+)/);
}

async function firstMatch(path: string, pattern: RegExp): Promise<string | undefined> {
  try {
    return pattern.exec(await Deno.readTextFile(path))?.[1];
  } catch {
    // Another system than Linux, or one that does not tell.
    return undefined;
  }
}
