// A card for each flow estimator: its warp, and what is to be known of it.

import { Newest, ask, save } from "./requests.js";

const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);

export class Card {
  // flow: name and label of the estimator; poor: quality below which a warp is poor;
  // shown: called with every answer.
  constructor({ flow, poor, shown }) {
    Object.assign(this, { flow, poor, shown, answer: null, question: null });
    const template = document.querySelector("#card");
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.flow = flow.name;
    this.part("h2").textContent = flow.label;
    this.part(".png").addEventListener("click", () => this.savePicture());
    this.part(".zip").addEventListener("click", () => this.saveArchive());
    this.requests = new Newest(
      async (question) => (await ask("/warps", question)).json(),
      (answer, question) => this.show(answer, question),
      (error) => this.refuse(error),
    );
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  update(question) {
    this.requests.ask({ ...question, flow: this.flow.name });
  }

  show(answer, question) {
    Object.assign(this, { answer, question });
    const alts = { warp: "The crop in the target pose", flow: "Flow in colours", places: "Where texture comes from" };
    for (const [name, alt] of Object.entries(alts)) {
      const picture = this.part(`img.${name}`);
      picture.src = answer[name];
      picture.alt = `${alt}, by ${this.flow.label}`;
    }
    const { quality } = answer;
    this.part(".quality .value").textContent = quality === null ? "–" : quality.toFixed(2);
    this.element.classList.toggle("poor", quality === null || quality < this.poor);
    this.part(".bar span").style.width = `${(quality ?? 0) * 100}%`;
    this.warn(answer.half_turn ? "A half turn: the crop shows the other side of the person." : "");
    this.part(".shares").replaceChildren(...answer.shares.map(shareRow));
    this.part(".numbers").replaceChildren(
      ...row("crop shows", percent(answer.shown)),
      ...row("joints shown", percent(answer.joints)),
      ...row("folded", percent(answer.folded)),
      ...row("stretch", answer.stretch === null ? "–" : `× ${answer.stretch.toFixed(2)}`),
    );
    this.part("code").textContent = answer.lines;
    this.element.dataset.answers = Number(this.element.dataset.answers || 0) + 1;
    this.shown(answer);
  }

  warn(line) {
    const warning = this.part(".warning");
    warning.textContent = line;
    warning.hidden = !line;
  }

  refuse(error) {
    this.warn(error.message);
  }

  // The very bytes that the server made, which came as a data URI.
  savePicture() {
    if (!this.answer) return;
    const bytes = Uint8Array.from(atob(this.answer.warp.split(",")[1]), (c) => c.charCodeAt(0));
    save(new Blob([bytes], { type: "image/png" }), "warp.png");
  }

  async saveArchive() {
    if (!this.question) return;
    try {
      save(await (await ask("/archives", this.question)).blob(), "warp.zip");
    } catch (error) {
      this.refuse(error);
    }
  }
}

function shareRow({ words, colour, share }) {
  const made = document.createElement("li");
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = colour;
  made.append(swatch, `${percent(share)} ${words}`);
  return made;
}

function row(name, value) {
  return [["dt", name], ["dd", value]].map(([tag, text]) => {
    const made = document.createElement(tag);
    made.textContent = text;
    return made;
  });
}
