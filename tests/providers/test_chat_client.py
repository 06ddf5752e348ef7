import httpx
import pytest

from golddiff.errors import UpstreamError
from golddiff.providers.chat_client import ChatClient, ChatConfig
from golddiff.types import Message

CONVERSATION = (Message("user", "hi"),)


def client(handler: httpx.MockTransport, attempts: int = 3) -> ChatClient:
    config = ChatConfig(base_url="http://server/v1", model="m", attempts=attempts)
    return ChatClient(config, transport=handler, sleep=lambda _: None)


def answer(text: str) -> httpx.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return httpx.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 2, "completion_tokens": 1}})


def test_answers_come_back_in_the_order_of_the_questions() -> None:
    import json

    def echo(request: httpx.Request) -> httpx.Response:
        return answer(json.loads(request.content)["messages"][-1]["content"])

    batch = [(Message("user", str(n)),) for n in range(20)]
    answers = client(httpx.MockTransport(echo)).complete(batch, max_tokens=5)
    assert [a.text for a in answers] == [str(n) for n in range(20)]
    assert answers[0].prompt_tokens == 2


def test_a_busy_server_is_asked_again() -> None:
    replies = [httpx.Response(503), httpx.Response(429, headers={"retry-after": "1"}), answer("ok")]
    assert client(httpx.MockTransport(lambda _: replies.pop(0))).complete([CONVERSATION], 5)[0].text == "ok"


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(404, text="no such model"), "no such model"),
        (httpx.Response(200, text="<html>"), "no chat completion"),
        (httpx.Response(200, json={"choices": []}), "no chat completion"),
        (httpx.Response(500, text="broken"), "broken"),
    ],
)
def test_a_useless_answer_raises_and_is_never_an_empty_text(response: httpx.Response, said: str) -> None:
    with pytest.raises(UpstreamError, match=said):
        client(httpx.MockTransport(lambda _: response)).complete([CONVERSATION], 5)


@pytest.mark.parametrize("status", [200, 401])
def test_an_error_holds_neither_our_key_nor_half_of_a_word(status: int) -> None:
    said = "no such key: our own secret! " + "a" * 160 + ' "half/of-a_secret+word"'
    server = httpx.MockTransport(lambda _: httpx.Response(status, text=said))
    config = ChatConfig(base_url="http://server/v1", model="m", api_key="our own secret!", attempts=1)
    with pytest.raises(UpstreamError, match=r"no such key: \[key\] a+ \"…") as raised:
        ChatClient(config, transport=server).complete([CONVERSATION], 5)
    assert "secret" not in str(raised.value)


def test_a_chat_api_gives_no_likelihoods() -> None:
    with pytest.raises(UpstreamError, match="gives no likelihood"):
        client(httpx.MockTransport(lambda _: answer(""))).loglikelihood([(CONVERSATION, "x")])
