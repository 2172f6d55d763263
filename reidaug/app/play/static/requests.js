// Requests to the server. A refusal is an Error whose message is the server's one line.

export async function ask(path, body, type = "application/json") {
  const options = { headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.method = "POST";
    options.body = type === "application/json" ? JSON.stringify(body) : body;
    options.headers["Content-Type"] = type;
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  const error = new Error(told.error || `The server answers ${answer.status}`);
  error.status = answer.status;
  throw error;
}

// Asks one question at a time. While one is under way only the newest of the others waits:
// a drag asks often, and old questions are of no use.
export class Newest {
  constructor(send, show, refuse) {
    Object.assign(this, { send, show, refuse, busy: false, waiting: null });
  }

  async ask(question) {
    this.waiting = question;
    if (this.busy) return;
    this.busy = true;
    while (this.waiting !== null) {
      const asked = this.waiting;
      this.waiting = null;
      try {
        this.show(await this.send(asked), asked);
      } catch (error) {
        if (error.status !== 409) this.refuse(error); // 409: another page of ours was faster
      }
    }
    this.busy = false;
  }
}

export function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
