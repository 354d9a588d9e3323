/**
 * One at a time, in the order of asking.
 *
 * @module
 */

interface Waiter {
  begin(): void;
  refuse(reason: unknown): void;
}

export class Turns {
  #waiting: Waiter[] = [];
  #taken = false;
  #closed: Error | undefined;
  #onFree: (() => void) | undefined;

  /**
   * Waits for a turn; whoever got one gives it back.
   *
   * @throws the signal's reason where it is aborted before the turn begins, or what {@linkcode close} was given.
   */
  take(signal?: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (!this.#taken) {
      this.#taken = true;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal!.reason);
      };
      const waiter: Waiter = {
        begin: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        refuse: (reason) => {
          signal?.removeEventListener("abort", onAbort);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /**
   * For the first lines of a turn: whoever waited goes on a moment after the turn has begun, and much can happen then.
   *
   * @throws the same as {@linkcode take}.
   */
  throwIfOver(signal?: AbortSignal): void {
    if (this.#closed !== undefined) throw this.#closed;
    signal?.throwIfAborted();
  }

  /** Ends a turn; the next in line begins. */
  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#taken = false;
      this.#onFree?.();
    } else next.begin();
  }

  /** Refuses everybody who waits and everybody who comes; settles when the current turn, if any, has ended. */
  close(reason: Error): Promise<void> {
    this.#closed = reason;
    for (const waiter of this.#waiting.splice(0)) waiter.refuse(reason);
    if (!this.#taken) return Promise.resolve();
    return new Promise((resolve) => this.#onFree = resolve);
  }
}
