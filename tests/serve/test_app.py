"""The API as its users meet it: the official client, over loopback.

It is imported by the tests that use it: that takes seconds, in every process that collects tests.
"""

import contextlib
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from golddiff.models.folder import Manifest
from golddiff.models.renderer import choose_spec, load_renderer
from golddiff.serve.app import create_app
from golddiff.serve.engines.scripted import ScriptedEngine
from golddiff.serve.local import LocalUpstream
from tiny_llama import write_tokenizer

uvicorn = pytest.importorskip("uvicorn")

ANSWER = "x = 'é'\n"


@contextlib.contextmanager
def served(model):
    openai = pytest.importorskip("openai")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(model), log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    try:
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    write_tokenizer(folder)
    spec = choose_spec(folder, "blocks")
    renderer = load_renderer(folder, spec)
    manifest = Manifest(
        name="student", base_model="tiny", base_licence=None, renderer=spec, weights_hash="0", context_tokens=100
    )

    def script(prompt):
        if renderer.text(prompt[1:-1]) == "abc":
            raise RuntimeError("broken")
        return renderer.answer(ANSWER)[:-1]

    return LocalUpstream(manifest, renderer, ScriptedEngine(script))


@pytest.fixture(scope="module")
def client(model):
    with served(model) as client:
        yield client


def ask(client, content="fix it", **more):
    return client.chat.completions.create(model="any", messages=[{"role": "user", "content": content}], **more)


def test_an_answer_has_text_reason_and_usage(client) -> None:
    reply = ask(client)
    assert reply.choices[0].message.content == ANSWER
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (8, 9)
    assert reply.model == "student"


def test_a_streamed_answer_is_the_same_in_pieces_of_whole_characters(client) -> None:
    pieces = list(ask(client, stream=True, stream_options={"include_usage": True}))
    texts = [piece.choices[0].delta.content or "" for piece in pieces if piece.choices]
    assert "".join(texts) == ANSWER
    assert "é" in texts
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-1].usage.completion_tokens == 9


def test_the_limit_of_tokens_is_kept_and_told(client) -> None:
    reply = ask(client, max_tokens=3)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("x =", "length")


def test_content_may_come_in_parts(client) -> None:
    assert ask(client, content=[{"type": "text", "text": "fix this"}]).choices[0].message.content == ANSWER


def test_the_model_is_listed(client) -> None:
    assert [entry.id for entry in client.models.list()] == ["student"]


def test_many_clients_at_once_share_batches(client, model) -> None:
    model.engine.batches.clear()
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: ask(client), range(32)))
    assert {reply.choices[0].message.content for reply in replies} == {ANSWER}
    assert sum(model.engine.batches) == 32
    assert len(model.engine.batches) < 32


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"n": 2}, "only n = 1"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "`tools`"),
        ({"max_tokens": 0}, "at least 1"),
        ({"content": "x" * 200}, "202 tokens"),
        ({"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}, "only text parts"),
    ],
)
def test_what_is_not_served_is_a_clear_400(client, more, said) -> None:
    import openai

    with pytest.raises(openai.BadRequestError, match=said):
        ask(client, **more)


def test_a_broken_engine_is_a_500_and_the_next_request_works(client) -> None:
    import openai

    with pytest.raises(openai.InternalServerError, match="broken"):
        ask(client, content="abc")
    assert ask(client).choices[0].message.content == ANSWER


def test_a_body_that_is_no_request_is_a_400(client) -> None:
    import httpx

    reply = httpx.post(f"{client.base_url}chat/completions", content=b"{", trust_env=False)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_health_is_told(client) -> None:
    import httpx

    assert httpx.get(str(client.base_url).replace("/v1/", "/healthz"), trust_env=False).json()["status"] == "ok"


def test_optional_fields_may_be_null(client) -> None:
    reply = ask(client, extra_body={"stream": None, "model": None, "stop": None})
    assert reply.choices[0].message.content == ANSWER


def test_only_a_long_conversation_is_called_too_long(client, model, tmp_path) -> None:
    import openai

    write_tokenizer(tmp_path, template="{{ raise_exception('roles must alternate') }}")
    renderer = load_renderer(tmp_path, choose_spec(tmp_path, "chat"))
    with pytest.raises(openai.BadRequestError) as long:
        ask(client, "x" * 200)
    with (
        served(LocalUpstream(model.manifest, renderer, model.engine)) as strict,
        pytest.raises(openai.BadRequestError, match="roles must alternate") as refused,
    ):
        ask(strict)
    assert (long.value.code, refused.value.code) == ("context_length_exceeded", None)


def test_a_client_that_leaves_while_asking_is_no_error(client, caplog, monkeypatch) -> None:
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "handlers", [caplog.handler])
    with socket.create_connection((client.base_url.host, client.base_url.port)) as leaving:
        leaving.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        time.sleep(0.1)
    time.sleep(0.1)
    assert ask(client).choices[0].message.content == ANSWER
    assert "Exception in ASGI" not in caplog.text
