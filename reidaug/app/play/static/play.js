// The playground: what was chosen, and what each choice changes. Pictures come from the server.

import { Card } from "./cards.js";
import { PoseEditor, copyOf, drawLimbs, element } from "./pose_editor.js";
import { ask } from "./requests.js";

const find = (id) => document.getElementById(id);
const session = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);

// outline: whose outline cuts the warp, {of: name of a pose or token of a crop, mirrored};
// null once a joint was moved: then limbs are drawn from the joints.
const state = { crop: null, outline: null, background: "grey", turns: "auto" };
let start, source, target;
const cards = new Map(); // those shown, by the names of their estimators

function say(line) {
  find("line").textContent = line;
}

// Asks for every warp that is shown; each card drops questions that are out of date.
function update() {
  const { crop, outline, background, turns } = state;
  const question = { session, crop: crop.token, source: source.pose, target: target.pose, outline, background, turns };
  const asked = JSON.parse(JSON.stringify(question)); // the poses as they are now
  for (const card of cards.values()) card.update(asked);
}

// Joints of a picture of one size in pixels of another, corner on corner.
function rescaled(pose, [height, width], [toHeight, toWidth]) {
  const scale = (value, from, to) => Math.round((value * (to - 1) * 100) / (from - 1)) / 100;
  return {
    xy: pose.xy.map(([x, y], joint) =>
      pose.visible[joint] ? [scale(x, width, toWidth), scale(y, height, toHeight)] : [-1, -1]),
    visible: [...pose.visible],
  };
}

function takeCrop(crop) {
  const before = state.crop;
  state.crop = crop;
  source.show({ size: crop.size, image: crop.image, overlay: find("mask").checked ? crop.mask : null, pose: crop });
  const pose = before ? rescaled(target.pose, before.size, crop.size) : null;
  target.show({ size: crop.size, overlay: null, ...(pose && { pose }) });
  const many = crop.found ? "" : " Drag them to where they are.";
  find("said").textContent = `${crop.name}, ${crop.size[1]} × ${crop.size[0]} px; joints: ${crop.said}.${many}`;
  mark("examples", crop.token);
  if (pose) update();
}

function takePose(pose, size, outline) {
  target.show({ pose: rescaled(pose, size, state.crop.size) });
  state.outline = outline;
  mark("poses", outline && !outline.mirrored ? outline.of : "");
  update();
}

function mirror() {
  const { xy, visible } = target.pose;
  const width = state.crop.size[1];
  const pose = {
    xy: start.twins.map((twin) => (visible[twin] ? [width - 1 - xy[twin][0], xy[twin][1]] : [-1, -1])),
    visible: start.twins.map((twin) => visible[twin]),
  };
  const { outline } = state;
  takePose(pose, state.crop.size, outline && { ...outline, mirrored: !outline.mirrored });
}

// Sends an image file; a refusal is one line on the page.
async function send(file) {
  if (file.size > start.most) {
    say(`${file.name} has more than ${start.most >> 20} MiB: crop the person`);
    return null;
  }
  say(`Looking for the person in ${file.name} …`);
  try {
    const path = `/crops?name=${encodeURIComponent(file.name)}`;
    const crop = await (await ask(path, file, "application/octet-stream")).json();
    say("");
    return crop;
  } catch (error) {
    say(error.message);
    return null;
  }
}

async function load(file) {
  const crop = file && (await send(file));
  if (!crop) return;
  addExample(crop);
  takeCrop(crop);
}

async function loadPose(file) {
  const crop = file && (await send(file));
  if (!crop) return;
  addExample(crop);
  takePose(crop, crop.size, { of: crop.token, mirrored: false });
}

function onFile(id, use) {
  find(id).addEventListener("change", ({ target: input }) => {
    use(input.files[0]);
    input.value = ""; // the same file can be chosen again
  });
}

function onDrop() {
  const cover = find("drop");
  const files = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    cover.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) cover.hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    cover.hidden = true;
    load(event.dataTransfer.files[0]);
  });
}

// Marks the chosen one among buttons.
function mark(id, key) {
  for (const button of find(id).children) button.setAttribute("aria-pressed", button.dataset.key === key);
}

function addExample(crop) {
  const button = document.createElement("button");
  const picture = document.createElement("img");
  button.type = "button";
  button.dataset.key = crop.token;
  picture.src = crop.image;
  picture.alt = `Crop ${crop.name}`;
  button.append(picture);
  button.addEventListener("click", () => takeCrop(crop));
  find("examples").append(button);
}

function addPose(pose, number) {
  const { size, all } = start.poses;
  const button = document.createElement("button");
  const drawing = element("svg", { viewBox: `0 0 ${size[1]} ${size[0]}`, "aria-hidden": "true" });
  const limbs = element("g");
  drawLimbs(limbs, pose, start.limbs);
  drawing.append(limbs);
  button.type = "button";
  button.dataset.key = pose.name;
  button.setAttribute("aria-label", `Pose ${number + 1} of ${all.length}`);
  button.append(drawing);
  button.addEventListener("click", () => takePose(pose, size, { of: pose.name, mirrored: false }));
  find("poses").append(button);
}

// A radio button or check box with its label.
function addChoice(field, kind, label, checked, changed) {
  const row = document.createElement("label");
  const input = document.createElement("input");
  row.className = "check";
  Object.assign(input, { type: kind, name: field, checked });
  input.addEventListener("change", () => changed(input.checked));
  row.append(input, ` ${label}`);
  find(field).append(row);
}

function addFlow(flow, number) {
  const card = new Card({
    flow,
    poor: start.poor,
    shown: (answer) => {
      target.show({ overlay: answer.outline });
      // On narrow screens the first warp stands beside the pose.
      if (card.element === find("cards").firstElementChild) find("live").src = answer.warp;
    },
  });
  const toggle = (on) => {
    if (on) cards.set(flow.name, card);
    else cards.delete(flow.name);
    find("cards").replaceChildren(...start.flows.flatMap(({ name }) => cards.get(name)?.element ?? []));
  };
  toggle(true);
  addChoice("flows", "checkbox", flow.label, true, (on) => {
    toggle(on);
    update();
  });
}

function fillPage() {
  find("wheel").src = start.wheel;
  start.crops.forEach(addExample);
  start.poses.all.forEach(addPose);
  start.flows.forEach(addFlow);
  for (const [name, label] of Object.entries(start.backgrounds)) {
    addChoice("backgrounds", "radio", label, name === state.background, () => {
      state.background = name;
      update();
    });
  }
  const words = { auto: "as augment does", allow: "allow", mirror: "mirror" };
  for (const name of start.turns) find("turns").append(new Option(words[name] ?? name, name));
  find("turns").addEventListener("change", ({ target: select }) => {
    state.turns = select.value;
    update();
  });
}

function listen() {
  onFile("load", load);
  onFile("pose-of", loadPose);
  onDrop();
  find("mirror").addEventListener("click", mirror);
  find("own").addEventListener("click", () => {
    takePose(source.pose, state.crop.size, { of: state.crop.token, mirrored: false });
  });
  find("found").addEventListener("click", () => {
    source.show({ pose: state.crop });
    update();
  });
  find("mask").addEventListener("change", ({ target: box }) => {
    source.show({ overlay: box.checked ? state.crop.mask : null });
  });
}

async function begin() {
  start = await (await ask("/start")).json();
  const skeleton = { names: start.joints, limbs: start.limbs };
  const editor = (id, changed) =>
    new PoseEditor({ svg: find(id), said: find(`${id}-joint`), hidden: find(`${id}-hidden`), changed, ...skeleton });
  source = editor("source", update);
  target = editor("target", () => {
    state.outline = null;
    mark("poses", "");
    update();
  });
  fillPage();
  listen();
  takeCrop(start.crops[0]);
  find("move").textContent = Math.round(start.move * start.crops[0].size[0]);
  const first = start.poses.all[start.poses.first];
  takePose(copyOf(first), start.poses.size, { of: first.name, mirrored: false });
}

begin().catch((error) => say(error.message));
