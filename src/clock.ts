/**
 * The one clock: the only reader of `performance.now` and the only sleeper, so that tests can bring their own time.
 *
 * @module
 */

/** Monotonic time and timers, in milliseconds. */
export interface Clock {
  /** Milliseconds since some moment in the past; never goes backwards. */
  now(): number;
  /** Calls back once, `ms` from now, unless the returned function is called before. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const id = setTimeout(callback, ms);
    return () => clearTimeout(id);
  },
};

/**
 * Waits `ms` milliseconds.
 *
 * @throws the signal's reason, at once, when it is aborted first.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Runs `work` with a signal that is aborted after `ms` milliseconds or when `parent` is, and stops waiting then even
 * if `work` does not listen to it.
 *
 * @param late makes the error that a passed limit is reported with.
 * @throws what `late` made, the parent's reason, or what `work` threw.
 */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (parent?.aborted) return reject(parent.reason);
    const controller = new AbortController();
    const stop = (reason: unknown) => {
      settle();
      reject(reason);
      controller.abort(reason);
    };
    const onParent = () => stop(parent!.reason);
    const cancel = clock.after(ms, () => stop(late()));
    const settle = () => {
      cancel();
      parent?.removeEventListener("abort", onParent);
    };
    parent?.addEventListener("abort", onParent, { once: true });
    work(controller.signal).then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}

/**
 * A time limit that is moved far more often than it passes: one timer, set anew only when it fires too early. A timer
 * for each message would cost as much as reading a small one.
 */
export class MovingDeadline {
  readonly #clock: Clock;
  #dueMs = Infinity;
  #onLate: (() => void) | undefined;
  #armedMs = Infinity;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once, `ms` from now, unless moved or lifted before. */
  move(ms: number, onLate: () => void): void {
    this.#dueMs = this.#clock.now() + ms;
    this.#onLate = onLate;
    if (this.#armedMs > this.#dueMs) this.#arm(ms);
  }

  /** There is no limit now. The timer stays, for the next one. */
  lift(): void {
    this.#dueMs = Infinity;
    this.#onLate = undefined;
  }

  /** Ends the timer, so that it keeps nothing alive. */
  dispose(): void {
    this.lift();
    this.#cancel?.();
    this.#armedMs = Infinity;
  }

  #arm(ms: number): void {
    this.#cancel?.();
    this.#armedMs = this.#clock.now() + ms;
    this.#cancel = this.#clock.after(ms, () => {
      this.#armedMs = Infinity;
      const remainingMs = this.#dueMs - this.#clock.now();
      if (remainingMs === Infinity) return;
      if (remainingMs > 0) return this.#arm(remainingMs);
      const late = this.#onLate;
      this.lift();
      late?.();
    });
  }
}
