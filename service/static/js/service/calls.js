/** The service's HTTP routes that the page uses. */

import { readProblem } from "./problems.js";

/** @typedef {Record<string, string | number | boolean>} Options of a request's query */
/** @typedef {{name: string, task: string, prompts: string[]}} Model */

/**
 * @param {string} path relative to the page, so that it may live below any path
 * @param {RequestInit} [init]
 * @returns {Promise<any>} the reply's JSON; nothing for an empty reply
 */
async function ask(path, init) {
  const reply = await fetch(path, init);
  if (!reply.ok) throw await readProblem(reply);
  return reply.status === 204 ? null : reply.json();
}

/** @returns {Promise<Model[]>} what is loaded; of each task the first is the default */
export async function listModels() {
  return (await ask("models")).models;
}

/**
 * Ask about one picture.
 * @param {string} task segment, semantic or detect
 * @param {Blob} picture
 * @param {Options} options
 * @param {AbortSignal} signal
 */
export function askPicture(task, picture, options, signal) {
  const headers = { "content-type": picture.type };
  const query = new URLSearchParams(Object.entries(options).map(([k, v]) => [k, String(v)]));
  return ask(`${task}?${query}`, { method: "POST", headers, body: picture, signal });
}

/**
 * Open a session at the first frame of a video.
 * @param {Blob} frame
 * @param {Record<string, unknown>} options objects or detect, and a model
 */
export function openSession(frame, options) {
  const form = new FormData();
  form.set("image", frame, "frame");
  for (const [name, value] of Object.entries(options)) {
    form.set(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return ask("sessions", { method: "POST", body: form });
}

/** @param {string} id */
export function inspectSession(id) {
  return ask(`sessions/${id}`);
}

/**
 * End a session; it works while the page is being left, too.
 * @param {string} id
 */
export function closeSession(id) {
  return fetch(`sessions/${id}`, { method: "DELETE", keepalive: true }).catch(() => null);
}

/**
 * Follow an object no longer.
 * @param {string} id of the session
 * @param {number} objectId
 */
export function dropObject(id, objectId) {
  return ask(`sessions/${id}/objects/${objectId}`, { method: "DELETE" });
}
