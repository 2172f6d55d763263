// The search runs in a worker, which a page opened from disk may not start. There its script runs in
// a hidden frame instead. The theme knows this file, and the class, by their names.
"use strict";

class FrameWorker extends EventTarget {
  constructor(script) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.append(this.frame);
    this.scope = this.frame.contentWindow;
    // What a worker's script calls: answers go to whoever made the worker.
    this.scope.postMessage = (data) => this.answer(data);
    this.scope.importScripts = async (...scripts) => {
      for (const one of scripts) await this.load(one);
    };
    this.loaded = this.load(script);
  }

  load(script) {
    return new Promise((done, failed) => {
      const tag = this.scope.document.createElement("script");
      Object.assign(tag, { src: script, onload: done, onerror: failed });
      this.scope.document.body.append(tag);
    });
  }

  answer(data) {
    const message = new MessageEvent("message", { data: structuredClone(data) });
    this.dispatchEvent(message);
    this.onmessage?.(message);
  }

  async postMessage(data) {
    await this.loaded;
    this.scope.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = window.IFrameWorker = FrameWorker;
