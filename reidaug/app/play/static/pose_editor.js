// A picture with 18 joints that can be dragged, moved by arrow keys, hidden and shown again.

const SVG = "http://www.w3.org/2000/svg";
const TWO_TAPS = 350; // milliseconds between the taps of a finger that hide a joint

export function element(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export const copyOf = (pose) => ({ xy: pose.xy.map((p) => [...p]), visible: [...pose.visible] });

// Draws the limbs whose two joints are visible.
export function drawLimbs(group, pose, limbs) {
  group.replaceChildren();
  for (const [side, pairs] of Object.entries(limbs)) {
    for (const [first, second] of pairs) {
      if (!pose.visible[first] || !pose.visible[second]) continue;
      const [[x1, y1], [x2, y2]] = [pose.xy[first], pose.xy[second]];
      group.append(element("line", { x1, y1, x2, y2, class: `limb ${side}` }));
    }
  }
}

export class PoseEditor {
  // svg: where to draw; said: element that names a joint; hidden: element for hidden joints;
  // names, limbs: of the skeleton; changed: called after every change by the user.
  constructor({ svg, said, hidden, names, limbs, changed }) {
    Object.assign(this, { svg, said, hidden, names, limbs, changed });
    this.size = [128, 64];
    this.picture = element("image", { preserveAspectRatio: "none" });
    this.overlay = element("image", { preserveAspectRatio: "none" });
    this.bones = element("g", { class: "bones" });
    this.dots = names.map((name, joint) => this.dot(name, joint));
    svg.replaceChildren(this.picture, this.overlay, this.bones, ...this.dots);
  }

  dot(name, joint) {
    const dot = element("g", { class: "dot", tabindex: 0, role: "button" });
    dot.append(element("circle", { class: "reach" }), element("circle", { class: "point" }));
    // A finger on a joint drags it, and does not scroll the page.
    dot.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    dot.addEventListener("pointerdown", (event) => this.take(event, joint));
    dot.addEventListener("pointermove", (event) => this.drag(event, joint));
    dot.addEventListener("lostpointercapture", () => dot.classList.remove("held"));
    dot.addEventListener("keydown", (event) => this.key(event, joint));
    dot.addEventListener("dblclick", () => this.hide(joint));
    for (const when of ["focus", "pointerenter"]) dot.addEventListener(when, () => this.say(joint));
    return dot;
  }

  // Pixels have their centre at whole numbers: the picture begins half a pixel before 0.
  show({ size, image, overlay, pose }) {
    if (size) {
      this.size = size;
      const [height, width] = size;
      this.svg.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
      for (const part of [this.picture, this.overlay]) {
        for (const [key, value] of Object.entries({ x: -0.5, y: -0.5, width, height })) {
          part.setAttribute(key, value);
        }
      }
    }
    if (image !== undefined) this.fill(this.picture, image);
    if (overlay !== undefined) this.fill(this.overlay, overlay);
    if (pose) {
      this.pose = copyOf(pose);
      this.draw();
    }
  }

  fill(part, uri) {
    if (uri) part.setAttribute("href", uri);
    part.style.display = uri ? "" : "none";
  }

  draw() {
    drawLimbs(this.bones, this.pose, this.limbs);
    this.dots.forEach((dot, joint) => {
      const [x, y] = this.pose.xy[joint];
      dot.style.display = this.pose.visible[joint] ? "" : "none";
      dot.setAttribute("transform", `translate(${x} ${y})`);
      dot.setAttribute("aria-label", `${this.names[joint]}, ${x.toFixed(0)} across, ${y.toFixed(0)} down`);
      const [reach, point] = dot.children;
      reach.setAttribute("r", this.size[0] * 0.035);
      point.setAttribute("r", this.size[0] * 0.0125);
    });
    this.hidden.replaceChildren(
      ...this.names.flatMap((name, joint) => (this.pose.visible[joint] ? [] : [this.chip(name, joint)])),
    );
  }

  chip(name, joint) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.textContent = `+ ${name}`;
    chip.addEventListener("click", () => {
      if (this.pose.xy[joint][0] < 0) this.pose.xy[joint] = this.placeFor(joint);
      this.pose.visible[joint] = true;
      this.draw();
      this.dots[joint].focus();
      this.changed();
    });
    return chip;
  }

  // A hidden joint that was never seen comes back beside a neighbour.
  placeFor(joint) {
    const [height, width] = this.size;
    const pairs = Object.values(this.limbs).flat();
    const beside = pairs.filter((pair) => pair.includes(joint)).map(([a, b]) => (a === joint ? b : a));
    const known = beside.find((other) => this.pose.visible[other]);
    const [x, y] = known === undefined ? [width / 2, height / 2] : this.pose.xy[known];
    return this.inside(x + width * 0.06, y - height * 0.03);
  }

  inside(x, y) {
    const [height, width] = this.size;
    const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 100) / 100;
    return [within(x, width - 1), within(y, height - 1)];
  }

  take(event, joint) {
    event.preventDefault();
    const tapped = event.pointerType === "touch" && this.last?.joint === joint;
    if (tapped && event.timeStamp - this.last.when < TWO_TAPS) return this.hide(joint);
    this.last = { joint, when: event.timeStamp };
    const dot = this.dots[joint];
    dot.focus();
    dot.setPointerCapture(event.pointerId);
    dot.classList.add("held");
  }

  drag(event, joint) {
    if (!this.dots[joint].hasPointerCapture(event.pointerId)) return;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      this.svg.getScreenCTM().inverse(),
    );
    this.move(joint, x, y);
  }

  key(event, joint) {
    const step = event.shiftKey ? 5 : 1;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) {
      const [x, y] = this.pose.xy[joint];
      const [across, down] = moves[event.key];
      this.move(joint, x + across * step, y + down * step);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.hide(joint);
    } else return;
    event.preventDefault();
  }

  move(joint, x, y) {
    this.pose.xy[joint] = this.inside(x, y);
    this.draw();
    this.say(joint);
    this.changed();
  }

  hide(joint) {
    this.pose.visible[joint] = false;
    this.draw();
    this.hidden.querySelector("button")?.focus();
    this.changed();
  }

  say(joint) {
    const [x, y] = this.pose.xy[joint];
    this.said.textContent = `${this.names[joint]} (${x.toFixed(1)}, ${y.toFixed(1)})`;
  }
}
