/**
 * Counters and histograms in Prometheus' text format (version 0.0.4).
 *
 * @module
 */

/** Upper bounds in seconds: 50 µs (a null policy on loopback) to 10 s (a model that is being compiled). */
const BUCKETS_S = [
  0.00005,
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  10,
];

type Labels = Readonly<Record<string, string>>;

/** A distribution. */
export class Histogram {
  readonly counts = new Array<number>(BUCKETS_S.length).fill(0);
  count = 0;
  sum = 0;

  observeMs(milliseconds: number): void {
    const seconds = milliseconds / 1000;
    const bucket = BUCKETS_S.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.counts[bucket]!++;
    this.count++;
    this.sum += seconds;
  }
}

interface Family {
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
}

/** All metrics of the server, by name without the prefix `pi0_`. */
const FAMILIES = {
  requests_total: { help: "Requests answered, by transport and code (ok or the error's).", type: "counter" },
  connections_total: { help: "Connections that became a session, by transport.", type: "counter" },
  zero_rtt_connections_total: {
    help: "Those whose first request came as QUIC's 0-RTT data, by transport.",
    type: "counter",
  },
  bytes_received_total: { help: "Bytes of requests on the wire, by transport.", type: "counter" },
  bytes_sent_total: { help: "Bytes of replies on the wire, by transport.", type: "counter" },
  sessions: { help: "Sessions that stand now, by transport.", type: "gauge" },
  queue_depth: { help: "Requests that wait for the policy now.", type: "gauge" },
  ready: { help: "1 once the policy has warmed up and while the server takes requests.", type: "gauge" },
  uptime_seconds: { help: "Since the server started.", type: "gauge" },
  resident_bytes: { help: "Memory of the process.", type: "gauge" },
  stage_seconds: { help: "Time per stage of a request, by transport.", type: "histogram" },
  ignored_pictures_total: { help: "Pictures that the robot's policies do not look at, by camera.", type: "counter" },
  cut_prompts_total: {
    help: "Prompts that were too long for the policy, so that their end was cut off.",
    type: "counter",
  },
  residence_seconds: { help: "Last byte received to last byte handed to the socket.", type: "histogram" },
} satisfies Record<string, Family>;
export type MetricName = keyof typeof FAMILIES;

/** One number of a counter or a gauge. */
export class Series {
  value = 0;

  add(amount: number): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }
}

/**
 * All numbers. A series is looked up once and then kept by whoever counts with it: making its name for every request
 * would cost more than reading the request.
 */
export class Metrics {
  readonly #series = new Map<MetricName, Map<string, Series>>();
  readonly #histograms = new Map<MetricName, Map<string, Histogram>>();

  /** A counter or a gauge. */
  series(name: MetricName, labels: Labels = {}): Series {
    return entryOf(this.#series, name, labels, () => new Series());
  }

  /** A distribution of durations. */
  histogram(name: MetricName, labels: Labels = {}): Histogram {
    return entryOf(this.#histograms, name, labels, () => new Histogram());
  }

  /** The page that Prometheus reads. */
  format(): string {
    const lines: string[] = [];
    for (const [name, { help, type }] of Object.entries(FAMILIES) as [MetricName, Family][]) {
      lines.push(`# HELP pi0_${name} ${help}`, `# TYPE pi0_${name} ${type}`);
      for (const [labels, { value }] of this.#series.get(name) ?? []) {
        lines.push(`pi0_${name}${braces(labels)} ${value}`);
      }
      for (const [labels, histogram] of this.#histograms.get(name) ?? []) {
        lines.push(...formatHistogram(`pi0_${name}`, labels, histogram));
      }
    }
    return lines.join("\n") + "\n";
  }
}

function entryOf<T>(table: Map<MetricName, Map<string, T>>, name: MetricName, labels: Labels, create: () => T): T {
  let family = table.get(name);
  if (family === undefined) table.set(name, family = new Map());
  const key = formatLabels(labels);
  let entry = family.get(key);
  if (entry === undefined) family.set(key, entry = create());
  return entry;
}

function formatLabels(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, "_")}"`).join(",");
}

function braces(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function formatHistogram(name: string, labels: string, histogram: Histogram): string[] {
  const prefix = labels === "" ? "" : `${labels},`;
  let below = 0;
  const buckets = BUCKETS_S.map((bound, i) => {
    below += histogram.counts[i]!;
    return `${name}_bucket{${prefix}le="${bound}"} ${below}`;
  });
  return [
    ...buckets,
    `${name}_bucket{${prefix}le="+Inf"} ${histogram.count}`,
    `${name}_sum${braces(labels)} ${histogram.sum}`,
    `${name}_count${braces(labels)} ${histogram.count}`,
  ];
}
