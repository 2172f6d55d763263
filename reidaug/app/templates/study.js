// The page of a participant: shows what the server asks, sends each choice until it is acknowledged.
"use strict";

const study = document.getElementById("study");
const address = study.dataset.address;
const SECTIONS = ["intro", "round", "over", "end"];
const IMAGES = { source: "source", target: "target", "left-image": "left", "right-image": "right" };
const PATIENCE = [500, 1000, 2000, 4000];
let state = null;
let ready = false; // whether a choice can be made: its images are shown, no other is on its way

const element = (id) => document.getElementById(id);
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function show(section) {
  for (const id of SECTIONS) element(id).hidden = id !== section;
}

function enable(on) {
  ready = on;
  element("left").disabled = element("right").disabled = !on;
}

// Ask the server until it answers; a choice sent twice counts once.
async function ask(path, options) {
  for (let tries = 0; ; tries++) {
    try {
      const headers = { Accept: "application/json", "Content-Type": "application/json" };
      const answer = await fetch(address + path, { ...options, headers });
      if (answer.ok) {
        element("notice").textContent = "";
        return await answer.json();
      }
      if (answer.status === 409) return await ask("/state", {});
      if (answer.status < 500) {
        element("notice").textContent = (await answer.json()).error;
        return null;
      }
    } catch (error) {
      // No connection: told below.
    }
    element("notice").textContent = "No connection to the study. Trying again; nothing is lost.";
    await wait(PATIENCE[Math.min(tries, PATIENCE.length - 1)]);
  }
}

function load(image, source) {
  return new Promise((done) => {
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = source;
  });
}

async function showImages(round) {
  for (let tries = 0; ; tries++) {
    const again = tries ? `?again=${tries}` : "";
    const loads = Object.entries(IMAGES).map(([id, name]) =>
      load(element(id), `${address}/${round}/${name}${again}`));
    if ((await Promise.all(loads)).every(Boolean)) break;
    element("notice").textContent = "The images do not come. Trying again.";
    await wait(PATIENCE[Math.min(tries, PATIENCE.length - 1)]);
  }
  element("notice").textContent = "";
  if (round + 1 >= state.rounds) return;
  for (const name of Object.values(IMAGES)) new Image().src = `${address}/${round + 1}/${name}`;
}

async function follow(next) {
  if (next === null) return;
  const before = state;
  state = next;
  if (state.finished) {
    element("stage").textContent = "Study";
    show("end");
    return;
  }
  if (before !== null && state.step === state.practice_steps && before.step < state.step) {
    element("stage").textContent = "Study";
    show("over");
    element("count").focus();
    return;
  }
  await showRound(before);
}

async function showRound(before) {
  const practice = state.step < state.practice_steps;
  const skipped = practice ? 0 : state.practice_steps / 2;
  const rounds = practice ? state.practice_steps / 2 : state.rounds - skipped;
  const word = practice ? "Practice" : "Round";
  element("stage").textContent = practice ? "Practice" : "Study";
  element("where").textContent =
    `${word} ${state.round - skipped + 1} of ${rounds}, question ${state.question + 1} of 2`;
  element("progress").value = state.step / state.steps;
  element("asked").textContent = state.asked;
  show("round");
  enable(false);
  if (before === null || before.round !== state.round || !element("source").src) {
    await showImages(state.round);
  }
  enable(true);
}

async function choose(side) {
  if (!ready || element("round").hidden) return;
  enable(false);
  const body = JSON.stringify({ step: state.step, side });
  await follow(await ask("/answer", { method: "POST", body }));
}

async function begin() {
  await follow(await ask("/state", {}));
}

element("begin").addEventListener("click", begin);
element("count").addEventListener("click", () => showRound(null));
element("left").addEventListener("click", () => choose("left"));
element("right").addEventListener("click", () => choose("right"));
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "1") choose("left");
  if (event.key === "2") choose("right");
});
if (study.dataset.begun === "yes") begin();
