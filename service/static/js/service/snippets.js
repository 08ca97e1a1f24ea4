/** What was just done, as a command and as a program. */

/** @typedef {import("./calls.js").Options} Options */

/** @returns {string} where the service is, without a slash at the end */
function address() {
  return new URL(".", location.href).href.replace(/\/$/, "");
}

/** @param {string} text */
function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @param {unknown} value @returns {string} a literal of Python */
function python(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  return JSON.stringify(value);
}

/**
 * @typedef {Object} Picture
 * @property {string} name of its file
 * @property {string} note in what the page sent it otherwise than it is
 */

/** @param {Picture} picture @returns {string} a line that says what a copy does otherwise */
function remark({ note }) {
  return note ? `# On the page it was ${note}.\n` : "";
}

/** @param {string} name of a file @returns {string} in quotes where `-F` reads more than a name */
function fileOf(name) {
  return /[;,"]/.test(name) ? `"${name.replaceAll(/["\\]/g, "\\$&")}"` : name;
}

/**
 * @param {string} task
 * @param {Picture} picture
 * @param {Options} options
 * @returns {string} the same request for curl
 */
export function pictureCurl(task, picture, options) {
  const fields = Object.entries(options).map(([key, value]) => ` -F ${shell(`${key}=${value}`)}`);
  return `${remark(picture)}curl -F ${shell(`image=@${fileOf(picture.name)}`)}${fields.join("")} ${address()}/${task}\n`;
}

const FOUND = new Map([
  ["segment", ["instances", "one.label, one.score, one.mask().sum()"]],
  ["semantic", ["segments", "one.label, one.area"]],
  ["detect", ["detections", "one.label, one.score, one.bbox"]],
]);

/**
 * @param {string} task
 * @param {Picture} picture
 * @param {Options} options
 * @returns {string} the same request with the Python client
 */
export function picturePython(task, picture, options) {
  const [members, shown] = FOUND.get(task) ?? ["", ""];
  const given = Object.entries(options).map(([key, value]) => {
    return `, ${key}=${python(key === "boxes" ? JSON.parse(String(value)) : value)}`;
  });
  return `${remark(picture)}from service.client import Client

with Client(${python(address())}) as client:
    reply = client.${task}(${python(picture.name)}${given.join("")})

for one in reply.${members}:
    print(${shown})
`;
}

/**
 * What was told after the first frame.
 * @typedef {Object} Edit
 * @property {number} index of the frame on which it was told
 * @property {Record<string, unknown>[]} [objects] that were drawn anew, or one more
 * @property {number} [dropped] id of an object that is followed no longer
 */

/**
 * @param {Record<string, unknown>} opened what the session was opened with
 * @param {Edit[]} edits in their order
 * @param {number} frames how many were followed after the first
 * @returns {string} the same session for curl
 */
export function sessionCurl(opened, edits, frames) {
  const fields = Object.entries(opened).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `  --form-string ${shell(`${key}=${text}`)} \\\n`;
  });
  const told = edits.map((edit) => `  if [ $index = ${edit.index + 1} ]; then ${editCurl(edit)}; fi\n`);
  return `# frames/00000.jpg and so on: the frames of the video
service=${address()}
id=$(curl -s -F image=@frames/00000.jpg \\
${fields.join("")}  $service/sessions | python3 -c 'import json, sys; print(json.load(sys.stdin)["session_id"])')
for index in $(seq 1 ${Math.max(1, frames)}); do
${told.join("")}  curl -F image=@frames/$(printf %05d $index).jpg "$service/sessions/$id/frames?frame_index=$index"
done
curl -X DELETE $service/sessions/$id
`;
}

/** @param {Edit} edit */
function editCurl({ objects, dropped }) {
  const place = "$service/sessions/$id/objects";
  if (objects) return `curl --json ${shell(JSON.stringify({ objects }))} ${place}`;
  return `curl -X DELETE ${place}/${dropped}`;
}

/**
 * @param {Record<string, any>} opened what the session was opened with
 * @param {Edit[]} edits in their order
 * @returns {string} the same session with the Python client
 */
export function sessionPython(opened, edits) {
  const kinds = ["Client", ...(opened.detect ? ["Detect"] : [])];
  if (opened.objects || edits.some(({ objects }) => objects)) kinds.push("NewObject");
  const model = opened.model ? `, model=${python(opened.model)}` : "";
  const told = edits.map((edit) =>
    `            if session.frame_index == ${edit.index}:\n                ${editPython(edit)}\n`);
  return `# frames/00000.jpg and so on: the frames of the video
from pathlib import Path

from service.client import ${kinds.join(", ")}

first, *others = sorted(Path("frames").glob("*.jpg"))
objects = ${opened.detect ? toCall("Detect", opened.detect) : toObjects(opened.objects)}

with Client(${python(address())}) as client:
    with client.track(first, objects${model}) as session:
        for frame in others:
${told.join("")}            for one in session.step(frame).objects:
                print(session.frame_index, one.id, one.label, one.visible, one.bbox)
`;
}

/** @param {Edit} edit */
function editPython({ objects, dropped }) {
  if (!objects) return `session.drop(${dropped})`;
  return `session.tell([${objects.map((one) => toCall("NewObject", one)).join(", ")}])`;
}

/** @param {Record<string, unknown>[]} objects */
function toObjects(objects) {
  return `[${objects.map((one) => `\n    ${toCall("NewObject", one)},`).join("")}\n]`;
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} members
 */
function toCall(name, members) {
  const given = Object.entries(members).map(([key, value]) => `${key}=${python(value)}`);
  return `${name}(${given.join(", ")})`;
}
