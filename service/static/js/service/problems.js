/** Errors of the service, in words for people. */

const GATEWAYS = new Set([429, 502, 503, 504]); // of proxies before the service, which say no more

const HINTS = new Map([
  ["overloaded", "Many others ask at the moment."],
  ["not-ready", "The models are still being loaded, or the service is about to stop."],
  ["unreadable-image", "JPEG, PNG, WebP, BMP and TIFF are read."],
  ["too-many-sessions", "Others are following objects; their sessions end by themselves."],
]);

/**
 * What the service says besides words.
 * @typedef {Object} Facts
 * @property {number} [status]
 * @property {string} [code]
 * @property {boolean} [retryable]
 * @property {string} [request_id]
 * @property {number} [retry_after_s]
 * @property {number} [limit]
 * @property {number} [actual]
 */

/** What went wrong, as the page tells it. */
export class Problem extends Error {
  /**
   * @param {string} title what kind of thing happened
   * @param {string} detail what happened in this case
   * @param {Facts} [facts]
   */
  constructor(title, detail, facts = {}) {
    super(detail);
    this.title = title;
    this.detail = detail;
    this.code = facts.code ?? "";
    this.requestId = facts.request_id ?? "";
    this.status = facts.status ?? 0;
    this.canRetry = facts.retryable ?? GATEWAYS.has(this.status);
    /** How much less there should have been, as a share of what there was. */
    this.share = facts.limit && facts.actual ? facts.limit / facts.actual : null;
    const wait = facts.retry_after_s ? `Try again in ${facts.retry_after_s} s.` : "";
    this.hint = [HINTS.get(this.code), wait].filter(Boolean).join(" ");
  }
}

/**
 * Return a problem for anything that was thrown.
 * @param {unknown} error
 * @returns {Problem}
 */
export function toProblem(error) {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError && /fetch|network/i.test(error.message)) {
    return new Problem("The service does not answer", "Is it still running?", { retryable: true });
  }
  return new Problem("That did not work", error instanceof Error ? error.message : String(error));
}

/**
 * Return the problem that a reply tells of.
 * @param {Response} reply
 * @returns {Promise<Problem>}
 */
export async function readProblem(reply) {
  const body = await reply.json().catch(() => ({}));
  const wait = Number(reply.headers.get("retry-after")) || undefined;
  const title = body.title ?? `The service answered ${reply.status}`;
  return new Problem(title, body.detail ?? reply.statusText, {
    status: reply.status, retry_after_s: wait, ...body,
  });
}
