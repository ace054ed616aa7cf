// Asks a server what the tests of the tap compare, by a JavaScript client as its users call it.
//
//   node ask.mjs CLIENT URL MODEL KEY [CASE...]      CLIENT is ollama or openai
//
// Prints the same as ask.py: one JSON object a line and case. The folder of the packages is in $CLIENTS.
import { createRequire } from "node:module";

const load = createRequire(`${process.env.CLIENTS}/`);
const LENGTH = 12;
const QUESTION = [{ role: "user", content: "the capital of France" }];
const PARAMETERS = { type: "object", properties: { city: { type: "string", maxLength: 8 } }, required: ["city"] };
const TOOLS = [
  { type: "function", function: { name: "weather", description: "The weather of a city", parameters: PARAMETERS } },
];

// What one call brought.
class Seen {
  start = performance.now();
  facts = { pieces: 0, text: "" };

  after() {
    return (performance.now() - this.start) / 1000;
  }

  told(facts) {
    for (const [name, fact] of Object.entries(facts)) if (fact !== undefined && fact !== null) this.facts[name] = fact;
  }

  // A part of a stream. One without text is none for a reader.
  piece(text) {
    if (!text) return;
    this.facts.pieces += 1;
    this.facts.text += text;
    this.facts.first_after ??= this.after();
    this.facts.last_after = this.after();
  }
}

class OllamaCases {
  constructor(url, model) {
    const { Ollama } = load("ollama");
    this.client = new Ollama({ host: url });
    this.settings = { model, options: { temperature: 0, seed: 1, num_predict: LENGTH, num_thread: 1 } };
  }

  #usage(seen, answer) {
    seen.told({ input: answer.prompt_eval_count, output: answer.eval_count, finish: answer.done_reason });
  }

  async chat(seen, more = {}) {
    const answer = await this.client.chat({ ...this.settings, messages: QUESTION, ...more });
    const calls = (answer.message.tool_calls ?? []).map((call) => call.function);
    seen.told({ text: answer.message.content, calls });
    this.#usage(seen, answer);
  }

  async chat_stream(seen) {
    for await (const part of await this.client.chat({ ...this.settings, messages: QUESTION, stream: true })) {
      seen.piece(part.message.content);
      if (part.done) this.#usage(seen, part);
    }
  }

  async complete(seen) {
    const answer = await this.client.generate({ ...this.settings, prompt: "the capital " });
    seen.told({ text: answer.response });
    this.#usage(seen, answer);
  }

  async complete_stream(seen) {
    for await (const part of await this.client.generate({ ...this.settings, prompt: "the capital ", stream: true })) {
      seen.piece(part.response);
      if (part.done) this.#usage(seen, part);
    }
  }

  async embed(seen) {
    const answer = await this.client.embed({ model: this.settings.model, input: ["one", "two"] });
    seen.told({ text: JSON.stringify(answer.embeddings), input: answer.prompt_eval_count });
  }

  async tools(seen) {
    await this.chat(seen, { tools: TOOLS });
  }

  async models(seen) {
    seen.told({ text: JSON.stringify((await this.client.list()).models.map((model) => model.model).sort()) });
  }

  async unknown_model(seen) {
    await this.chat(seen, { model: "no-such-model" });
  }

  async cancelled(seen) {
    const options = { ...this.settings.options, num_predict: 20_000 };
    const parts = await this.client.chat({ ...this.settings, options, messages: QUESTION, stream: true });
    for await (const part of parts) {
      seen.piece(part.message.content);
      if (seen.facts.pieces === 3) {
        parts.abort();
        break;
      }
    }
  }
}

class OpenaiCases {
  constructor(url, model, key) {
    const { OpenAI } = load("openai");
    this.client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000 });
    this.settings = { model, temperature: 0, seed: 1, max_tokens: LENGTH };
  }

  #usage(seen, answer) {
    if (answer.usage) seen.told({ input: answer.usage.prompt_tokens, output: answer.usage.completion_tokens });
  }

  async chat(seen, more = {}, client = this.client) {
    const answer = await client.chat.completions.create({ ...this.settings, messages: QUESTION, ...more });
    const [choice] = answer.choices;
    const calls = (choice.message.tool_calls ?? []).map((call) => call.function);
    seen.told({ text: choice.message.content, calls, finish: choice.finish_reason });
    this.#usage(seen, answer);
  }

  async chat_stream(seen, more = {}) {
    const settings = { ...this.settings, messages: QUESTION, stream: true, ...more };
    const parts = await this.client.chat.completions.create({ ...settings, stream_options: { include_usage: true } });
    for await (const part of parts) {
      for (const choice of part.choices) {
        seen.piece(choice.delta.content);
        for (const call of choice.delta.tool_calls ?? []) {
          seen.piece(call.function.name);
          seen.piece(call.function.arguments);
        }
        seen.told({ finish: choice.finish_reason });
      }
      this.#usage(seen, part);
    }
  }

  async complete(seen) {
    const answer = await this.client.completions.create({ ...this.settings, prompt: "the capital " });
    seen.told({ text: answer.choices[0].text, finish: answer.choices[0].finish_reason });
    this.#usage(seen, answer);
  }

  async complete_stream(seen) {
    const settings = { ...this.settings, prompt: "the capital ", stream: true };
    const parts = await this.client.completions.create({ ...settings, stream_options: { include_usage: true } });
    for await (const part of parts) {
      for (const choice of part.choices) {
        seen.piece(choice.text);
        seen.told({ finish: choice.finish_reason });
      }
      this.#usage(seen, part);
    }
  }

  async responses_stream(seen) {
    const settings = { model: this.settings.model, temperature: 0, max_output_tokens: LENGTH };
    for await (const event of await this.client.responses.create({ ...settings, input: QUESTION, stream: true })) {
      if (event.type === "response.output_text.delta") seen.piece(event.delta);
      if (event.type === "response.completed" || event.type === "response.incomplete") {
        const { status, usage } = event.response;
        seen.told({ finish: status, input: usage.input_tokens, output: usage.output_tokens });
      }
    }
  }

  async embed(seen) {
    const answer = await this.client.embeddings.create({ model: this.settings.model, input: ["one", "two"] });
    seen.told({ text: JSON.stringify(answer.data.map((one) => one.embedding)) });
    this.#usage(seen, answer);
  }

  async tools(seen) {
    await this.chat(seen, { tools: TOOLS, tool_choice: "required", max_tokens: 80 });
  }

  async tools_stream(seen) {
    await this.chat_stream(seen, { tools: TOOLS, tool_choice: "required", max_tokens: 80 });
  }

  async models(seen) {
    seen.told({ text: JSON.stringify((await this.client.models.list()).data.map((model) => model.id).sort()) });
  }

  async unknown_model(seen) {
    await this.chat(seen, { model: "no-such-model" });
  }

  async bad_key(seen) {
    await this.chat(seen, {}, this.client.withOptions({ apiKey: "wrong" }));
  }

  async cancelled(seen) {
    const settings = { ...this.settings, max_tokens: 20_000, messages: QUESTION, stream: true };
    const parts = await this.client.chat.completions.create(settings);
    for await (const part of parts) {
      seen.piece(part.choices[0]?.delta.content);
      if (seen.facts.pieces === 3) {
        parts.controller.abort();
        break;
      }
    }
  }
}

const [name, url, model, key, ...wanted] = process.argv.slice(2);
const kind = { ollama: OllamaCases, openai: OpenaiCases }[name];
const client = new kind(url, model, key);
const cases = Object.getOwnPropertyNames(kind.prototype).filter((name) => name !== "constructor");
for (const name of wanted.length ? wanted : cases) {
  const seen = new Seen();
  try {
    await client[name](seen);
  } catch (error) {
    // Every client has its own, and each is a result here.
    seen.told({ error: error.name, status: error.status ?? error.status_code, message: error.message });
  }
  console.log(JSON.stringify({ case: name, ...seen.facts, duration: seen.after() }));
}
