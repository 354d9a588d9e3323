/**
 * The main thread's end of the conversation with the thread that owns the library.
 *
 * @module
 */

import { OrtError } from "../errors.ts";
import type { Exchanges, Kind, ReplyMessage } from "./messages.ts";

interface Waiter {
  resolve(value: never): void;
  reject(error: Error): void;
}

export class Link {
  readonly #worker: Worker;
  readonly #waiters = new Map<number, Waiter>();
  #sent = 0;
  #end: OrtError | undefined;

  /** Starts the thread. */
  constructor(url: URL) {
    this.#worker = new Worker(url.href, { type: "module", name: "ONNX Runtime" });
    this.#worker.onmessage = ({ data }: MessageEvent<ReplyMessage>) => {
      const waiter = this.#waiters.get(data.id);
      this.#waiters.delete(data.id);
      if ("error" in data) {
        const { code, message } = data.error;
        waiter?.reject(code === "unexpected" ? new Error(message) : new OrtError(code, message));
      } else {
        waiter?.resolve(data.value as never);
      }
    };
    this.#worker.onerror = (event) => {
      // Without this the whole program would end.
      event.preventDefault();
      this.#finish(new OrtError("crashed", `The thread of ONNX Runtime has died: ${event.message}. Start pi0 again`));
    };
    this.#worker.onmessageerror = () =>
      this.#finish(new OrtError("crashed", "The thread of ONNX Runtime sent what cannot be read. Start pi0 again"));
  }

  /** @throws {OrtError} what the other side answered; crashed or closed where there is no other side. */
  request<K extends Kind>(kind: K, request: Exchanges[K]["request"]): Promise<Exchanges[K]["reply"]> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = this.#sent++;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, ...request });
    });
  }

  /** Ends the thread at once. What it owned natively must have been released before. */
  terminate(): void {
    this.#finish(new OrtError("closed", "Cannot use ONNX Runtime: it has been closed"));
  }

  #finish(end: OrtError): void {
    this.#end ??= end;
    this.#worker.terminate();
    for (const waiter of this.#waiters.values()) waiter.reject(this.#end);
    this.#waiters.clear();
  }
}
