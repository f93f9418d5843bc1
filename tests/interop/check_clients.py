"""The server as other people's clients see it: Python's openai and langchain-openai, and schemathesis on the description that it gives of
itself."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

import common
import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

QUESTION = [{"role": "user", "content": "What is the capital of Peru?"}]
EXAMPLES = 60  # requests that schemathesis makes up for each operation


def check_openai(report, url, key):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    model = client.models.list().data[0].id
    greedy = {"model": model, "temperature": 0, "max_tokens": 48}
    plain = client.chat.completions.create(messages=QUESTION, **greedy).choices[0].message.content
    report.check(plain.strip(), "openai: a plain answer", plain[:60])

    pieces, usage = [], None
    for chunk in client.chat.completions.create(messages=QUESTION, stream=True, stream_options={"include_usage": True}, **greedy):
        pieces += [choice.delta.content or "" for choice in chunk.choices]
        usage = chunk.usage or usage
    report.check("".join(pieces) == plain and usage.completion_tokens > 0, "openai: streamed, the same")

    several = client.chat.completions.create(messages=QUESTION, model=model, n=3, seed=1, max_tokens=16, logprobs=True, top_logprobs=2)
    report.check(len(several.choices) == 3 and all(len(token.top_logprobs) == 2 for choice in several.choices for token in choice.logprobs.content),
                 "openai: three answers with log-probabilities")

    stop = plain[len(plain) // 2:][:3]
    stopped = client.chat.completions.create(messages=QUESTION, stop=[stop], **greedy).choices[0]
    report.check(stopped.message.content == plain[: plain.index(stop)] and stopped.finish_reason == "stop", "openai: a stop string")

    echoed = client.completions.create(model=model, prompt=["Once upon a time", "The sun"], max_tokens=4, temperature=0, echo=True, logprobs=1)
    report.check(echoed.choices[0].text.startswith("Once upon a time") and echoed.choices[1].logprobs.token_logprobs[0] is None,
                 "openai: completions that echo a batch of prompts")

    stream = client.chat.completions.create(messages=QUESTION, model=model, max_tokens=400, stream=True)
    next(iter(stream))
    stream.close()
    report.check(client.chat.completions.create(messages=QUESTION, **greedy).choices[0].message.content == plain, "openai: well after a client left")

    for error, arguments in ((openai.BadRequestError, {"temperature": 9}), (openai.NotFoundError, {"model": "nowhere"}),
                             (openai.BadRequestError, {"tools": [{"type": "function", "function": {"name": "f"}}]})):
        try:
            client.chat.completions.create(messages=QUESTION, **{**greedy, **arguments})
            report.check(False, f"openai: {error.__name__}", "was accepted")
        except error as caught:
            report.check(next(iter(arguments)) in str(caught), f"openai: {error.__name__}", str(caught)[:100])
    try:
        openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0).models.list()
        report.check(False, "openai: a wrong key is refused")
    except openai.AuthenticationError:
        report.check(True, "openai: a wrong key is refused")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: client.chat.completions.create(messages=QUESTION, **greedy).choices[0].message.content, range(16)))
    report.check(set(together) == {plain}, "openai: sixteen at once, all the same")


def check_langchain(report, url, key):
    model = openai.OpenAI(base_url=f"{url}/v1", api_key=key).models.list().data[0].id
    chat = ChatOpenAI(base_url=f"{url}/v1", api_key=key, model=model, temperature=0, max_tokens=48, max_retries=0)
    messages = [SystemMessage("Answer briefly."), HumanMessage("Hello!"), AIMessage("Hello."), HumanMessage("What is the capital of Peru?")]
    plain = chat.invoke(messages)
    report.check(plain.content and plain.usage_metadata["output_tokens"] > 0, "langchain: a plain answer", plain.content[:60])
    report.check("".join(piece.content for piece in chat.stream(messages)) == plain.content, "langchain: streamed, the same")
    report.check([answer.content for answer in chat.batch([messages] * 3)] == [plain.content] * 3, "langchain: a batch")
    scored = chat.bind(logprobs=True).invoke(messages)
    report.check(scored.response_metadata["logprobs"]["content"], "langchain: log-probabilities")


def check_description(report, url, key, work):
    command = [pathlib.Path(sys.executable).parent / "schemathesis", "run", f"{url}/openapi.json", "--checks", "not_a_server_error,status_code_conformance",
               "--max-examples", str(EXAMPLES), "--seed", "7", "--header", f"Authorization: Bearer {key}", "--request-timeout", "60", "--no-color"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900, cwd=work, env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(work)})
    report.check(done.returncode == 0, "schemathesis: no answer is a server's error", (done.stdout + done.stderr).strip().splitlines()[-1] if done.returncode == 0 else "")
    if done.returncode != 0:
        print((done.stdout + done.stderr)[-4000:])


def main():
    options = common.arguments(__doc__)
    report = common.Report()
    key = "a key for tests"
    with common.Server(options.owlet, "--api-key", key) as server:
        report.attempt("openai", check_openai, report, server.url, key)
        report.attempt("langchain", check_langchain, report, server.url, key)
    with common.Server(options.owlet, "--api-key", key, "--context", 128) as server:
        report.attempt("schemathesis", check_description, report, server.url, key, options.work)
        report.check(server.process.poll() is None, "schemathesis: the server lives on")
    report.finish()


if __name__ == "__main__":
    main()
