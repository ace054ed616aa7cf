"""Asks a server what the tests of the tap compare, by a Python client as its users call it.

    ask.py CLIENT URL MODEL KEY [CASE...]      CLIENT is ollama, openai or anthropic

Prints one JSON object a line and case: what the client made of the answer (text, tool calls, tokens, why it
ended, or its error), and when things came, in seconds since the call.
"""

import json
import sys
import time

LENGTH = 12
PATIENCE = 60  # seconds: what hangs is to be told as the case it is
QUESTION = [{"role": "user", "content": "the capital of France"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "The weather of a city", "parameters": PARAMETERS}


class Seen:
    """What one call brought."""

    def __init__(self):
        self.start = time.perf_counter()
        self.facts = {"pieces": 0, "text": ""}

    def told(self, **facts):
        self.facts.update({name: fact for name, fact in facts.items() if fact is not None})

    def piece(self, text):
        """A part of a stream. One without text is none for a reader."""
        if text:
            self.facts["pieces"] += 1
            self.facts["text"] += text
            self.facts.setdefault("first_after", time.perf_counter() - self.start)
            self.facts["last_after"] = time.perf_counter() - self.start

    def end(self):
        self.facts["duration"] = time.perf_counter() - self.start
        return self.facts


class Ollama:
    def __init__(self, url, model, key):
        import ollama

        self.client, self.model = ollama.Client(host=url, timeout=PATIENCE), model
        self.settings = {"temperature": 0, "seed": 1, "num_predict": LENGTH, "num_thread": 1}

    def usage(self, seen, answer):
        seen.told(input=answer.prompt_eval_count, output=answer.eval_count, finish=answer.done_reason)

    def stream(self, seen, parts, text):
        for part in parts:
            seen.piece(text(part))
            if part.done:
                self.usage(seen, part)

    def chat(self, seen, model=None, **more):
        answer = self.client.chat(model or self.model, QUESTION, options=self.settings, **more)
        calls = [call.function.model_dump() for call in answer.message.tool_calls or []]
        seen.told(text=answer.message.content, calls=calls)
        self.usage(seen, answer)

    def chat_stream(self, seen):
        parts = self.client.chat(self.model, QUESTION, options=self.settings, stream=True)
        self.stream(seen, parts, lambda part: part.message.content)

    def complete(self, seen):
        answer = self.client.generate(self.model, "the capital ", options=self.settings)
        seen.told(text=answer.response)
        self.usage(seen, answer)

    def complete_stream(self, seen):
        parts = self.client.generate(self.model, "the capital ", options=self.settings, stream=True)
        self.stream(seen, parts, lambda part: part.response)

    def long_stream(self, seen):
        """A prompt and an answer that take a second or more, for those who compare times."""
        prompt = "Tell me a long story of a lighthouse. " + "It stands on a rock in the sea. " * 30
        parts = self.client.generate(self.model, prompt, options={**self.settings, "num_predict": 150}, stream=True)
        self.stream(seen, parts, lambda part: part.response)

    def embed(self, seen):
        answer = self.client.embed(self.model, ["one", "two"])
        seen.told(text=json.dumps(answer.embeddings), input=answer.prompt_eval_count)

    def tools(self, seen):
        self.chat(seen, tools=[{"type": "function", "function": TOOL}])

    def models(self, seen):
        seen.told(text=json.dumps(sorted(model.model for model in self.client.list().models)))

    def unknown_model(self, seen):
        self.chat(seen, model="no-such-model")

    def cancelled(self, seen):
        settings = {**self.settings, "num_predict": 20_000}
        for part in self.client.chat(self.model, QUESTION, options=settings, stream=True):
            seen.piece(part.message.content)
            if seen.facts["pieces"] == 3:
                break
        self.client.close()


class Openai:
    def __init__(self, url, model, key):
        import openai

        settings = {"api_key": key, "max_retries": 0, "timeout": PATIENCE}
        self.client, self.model = openai.OpenAI(base_url=url + "/v1", **settings), model
        self.settings = {"temperature": 0, "seed": 1, "max_tokens": LENGTH}

    def usage(self, seen, answer):
        if answer.usage:
            usage = answer.usage
            seen.told(input=usage.prompt_tokens, output=getattr(usage, "completion_tokens", None))

    def chat(self, seen, client=None, **more):
        settings = {"model": self.model, "messages": QUESTION, **self.settings, **more}
        answer = (client or self.client).chat.completions.create(**settings)
        choice = answer.choices[0]
        calls = [call.function.model_dump() for call in choice.message.tool_calls or []]
        seen.told(text=choice.message.content, calls=calls, finish=choice.finish_reason)
        self.usage(seen, answer)

    def chat_stream(self, seen, **more):
        settings = {"model": self.model, "messages": QUESTION, "stream": True, **self.settings, **more}
        parts = self.client.chat.completions.create(stream_options={"include_usage": True}, **settings)
        for part in parts:
            for choice in part.choices:
                seen.piece(choice.delta.content)
                for call in choice.delta.tool_calls or []:
                    seen.piece(call.function.name)
                    seen.piece(call.function.arguments)
                seen.told(finish=choice.finish_reason)
            self.usage(seen, part)

    def complete(self, seen):
        answer = self.client.completions.create(model=self.model, prompt="the capital ", **self.settings)
        seen.told(text=answer.choices[0].text, finish=answer.choices[0].finish_reason)
        self.usage(seen, answer)

    def complete_stream(self, seen):
        settings = {"model": self.model, "prompt": "the capital ", "stream": True, **self.settings}
        for part in self.client.completions.create(stream_options={"include_usage": True}, **settings):
            for choice in part.choices:
                seen.piece(choice.text)
                seen.told(finish=choice.finish_reason)
            self.usage(seen, part)

    def responses_stream(self, seen):
        limits = {"temperature": 0, "max_output_tokens": LENGTH}
        for event in self.client.responses.create(model=self.model, input=QUESTION, stream=True, **limits):
            if event.type == "response.output_text.delta":
                seen.piece(event.delta)
            if event.type in ("response.completed", "response.incomplete"):
                usage = event.response.usage
                seen.told(finish=event.response.status, input=usage.input_tokens, output=usage.output_tokens)

    def embed(self, seen):
        answer = self.client.embeddings.create(model=self.model, input=["one", "two"])
        seen.told(text=json.dumps([one.embedding for one in answer.data]))
        self.usage(seen, answer)

    def tools(self, seen):
        self.chat(seen, tools=[{"type": "function", "function": TOOL}], tool_choice="required", max_tokens=80)

    def tools_stream(self, seen):
        self.chat_stream(
            seen, tools=[{"type": "function", "function": TOOL}], tool_choice="required", max_tokens=80
        )

    def models(self, seen):
        seen.told(text=json.dumps(sorted(model.id for model in self.client.models.list().data)))

    def unknown_model(self, seen):
        self.chat(seen, model="no-such-model")

    def bad_key(self, seen):
        self.chat(seen, client=self.client.with_options(api_key="wrong"))

    def cancelled(self, seen):
        settings = {**self.settings, "max_tokens": 20_000}
        parts = self.client.chat.completions.create(
            model=self.model, messages=QUESTION, stream=True, **settings
        )
        for part in parts:
            seen.piece(part.choices and part.choices[0].delta.content)
            if seen.facts["pieces"] == 3:
                parts.close()
                break


class Anthropic:
    def __init__(self, url, model, key):
        import anthropic

        settings = {"api_key": key, "max_retries": 0, "timeout": PATIENCE}
        self.client, self.model = anthropic.Anthropic(base_url=url, **settings), model
        settings = {"max_tokens": LENGTH, "messages": QUESTION}
        self.settings = {**settings, "extra_body": {"temperature": 0}}  # no parameter of its own any more

    def chat(self, seen):
        answer = self.client.messages.create(model=self.model, **self.settings)
        usage = answer.usage
        text = "".join(block.text for block in answer.content if block.type == "text")
        seen.told(text=text, finish=answer.stop_reason, input=usage.input_tokens, output=usage.output_tokens)

    def chat_stream(self, seen):
        with self.client.messages.stream(model=self.model, **self.settings) as stream:
            for text in stream.text_stream:
                seen.piece(text)
            answer = stream.get_final_message()
        seen.told(finish=answer.stop_reason, output=answer.usage.output_tokens)


def ask(client, case):
    seen = Seen()
    try:
        getattr(client, case)(seen)
    except Exception as error:  # every client has its own, and each is a result here
        status = getattr(error, "status_code", None)
        seen.told(error=type(error).__name__, status=status, message=str(error))
    return seen.end()


def main():
    name, url, model, key, *cases = sys.argv[1:]
    kind = {"ollama": Ollama, "openai": Openai, "anthropic": Anthropic}[name]
    client = kind(url, model, key)
    for case in cases or [case for case in vars(kind) if case not in ("__init__", "usage", "stream")]:
        if case.startswith("__"):
            continue
        print(json.dumps({"case": case, **ask(client, case)}), flush=True)


main()
