"""Messages ↔ tokens, one renderer per checkpoint, used by training, evaluation and serving alike. No torch.

Two renderers:
- `chat`: the model's own chat template (Jinja, from `tokenizer_config.json`). For untrained models and for checkpoints
  whose users send ordinary chats.
- `blocks`: every turn is one single special token of the model's own vocabulary, the text, and after an answer the end
  token. A SmolLM2 edit costs 2 tokens of frame where its chat template costs 9 to 30, which on a CPU is a third of the
  training time, and single tokens do not get misplaced (Sweep's next-edit report, science.md 1.2). Students learn one
  bare request in it; every other conversation goes through the model's chat template, where training held the student
  to its base (`train.replay`): there it still does what the base did.

Text of messages is encoded with special tokens switched off: `<|im_end|>` inside somebody's code stays text and can
neither end a turn nor start one. For templates this works by rendering them around place-holders.

The spec of a checkpoint's renderer is kept in its manifest (`RendererSpec`), never guessed at serving time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from golddiff.errors import ModelError
from golddiff.types import Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ROLES = ("system", "user", "assistant")

_MARKERS: tuple[tuple[str, str, str], ...] = (
    ("<file_sep>", "<jupyter_text>", "<jupyter_code>"),  # SmolLM2, StarCoder2
    ("<|file_sep|>", "<|fim_prefix|>", "<|fim_middle|>"),  # Qwen2.5-Coder, Qwen3
    ("<fim_pad>", "<fim_prefix>", "<fim_middle>"),  # StarCoder, Granite
)
"""Special tokens for (system, user, assistant) by model family: rare in chats, seen beside code in pre-training."""

_PLACE = re.compile("\ue000(\\d+)\ue001")


class RendererSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint's manifest says about its renderer."""

    name: str
    """`chat` or `blocks`."""
    end: str
    """Token that ends an answer."""
    markers: dict[str, str] = {}
    """blocks: the token that opens a turn, by role. Empty for chat."""
    otherwise: str = ""
    """blocks: the renderer of all that is not one bare user message; empty: blocks too (no chat template)."""
    explain: bool = False
    """Whether edit requests carry the system message that explains the format (untrained models need it)."""


class Renderer(Protocol):
    """Turns conversations into tokens. Deterministic; holds no state."""

    spec: RendererSpec
    end_id: int

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of the conversation up to where the assistant starts to write."""
        ...

    def answer(self, text: str) -> list[int]:
        """Tokens of an answer, its end token included."""
        ...

    def document(self, text: str) -> tuple[list[int], list[int]]:
        """`(context, tokens)` of a bare text without any conversation; the context is one start token."""
        ...

    def text(self, tokens: Sequence[int]) -> str:
        """Text of generated tokens up to the first end token."""
        ...


class _Texts:
    """What both renderers share: plain text ↔ tokens."""

    def __init__(self, tokenizer: Tokenizer, spec: RendererSpec) -> None:
        self.spec = spec
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True
        self.end_id = self._special(spec.end)

    def answer(self, text: str) -> list[int]:
        return [*self._plain(text), self.end_id]

    def document(self, text: str) -> tuple[list[int], list[int]]:
        start = self._tokenizer.token_to_id("<|endoftext|>")
        return [self.end_id if start is None else start], self._plain(text)

    def text(self, tokens: Sequence[int]) -> str:
        kept = list(tokens)
        if self.end_id in kept:
            kept = kept[: kept.index(self.end_id)]
        return str(self._tokenizer.decode(kept, skip_special_tokens=True))

    def _plain(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ModelError(f"this model's vocabulary has no token {token!r}, which its renderer needs.")
        return int(found)


class BlocksRenderer(_Texts):
    """One special token per turn."""

    def __init__(self, tokenizer: Tokenizer, spec: RendererSpec, otherwise: Renderer | None = None) -> None:
        super().__init__(tokenizer, spec)
        self._ids = {role: self._special(spec.markers[role]) for role in ROLES}
        self._otherwise = otherwise

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        if self._otherwise is not None and [message.role for message in messages] != ["user"]:
            return self._otherwise.prompt(messages)
        tokens: list[int] = []
        for message in messages:
            tokens += [self._ids[_role(message)], *self._plain(message.content)]
            if message.role == "assistant":
                tokens.append(self.end_id)
        return [*tokens, self._ids["assistant"]]


class ChatRenderer(_Texts):
    """The model's chat template."""

    def __init__(self, tokenizer: Tokenizer, spec: RendererSpec, template: str, names: dict[str, str]) -> None:
        from jinja2 import TemplateError
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        super().__init__(tokenizer, spec)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], autoescape=False
        )
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise ModelError(f"the model's chat template is unusable: {error}. Use the renderer `blocks`.") from error
        self._names = names

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        from jinja2 import TemplateError

        turns = [{"role": _role(m), "content": f"\ue000{index}\ue001"} for index, m in enumerate(messages)]
        try:
            frame = self._template.render(messages=turns, add_generation_prompt=True, **self._names)
        except TemplateError as error:
            raise ModelError(f"the model's chat template fails on this conversation: {error}") from error
        tokens: list[int] = []
        for index, piece in enumerate(_PLACE.split(frame)):
            if index % 2:
                tokens += self._plain(messages[int(piece)].content)
            elif piece:
                tokens += self._frame(piece)
        return tokens

    def _frame(self, piece: str) -> list[int]:
        self._tokenizer.encode_special_tokens = False
        try:
            return self._plain(piece)
        finally:
            self._tokenizer.encode_special_tokens = True


def choose_spec(folder: Path, name: str) -> RendererSpec:
    """Return the spec that a new checkpoint of the model in `folder` gets for the renderer `name`.

    Raises:
        ModelError: the model has no chat template, or no special tokens for blocks.
    """
    tokenizer, settings = _read(folder)
    end = _token(settings.get("eos_token"))
    if end is None:
        raise ModelError(f"{folder / 'tokenizer_config.json'} names no eos_token, so answers could not end.")
    if name == "chat":
        if _template(folder, settings) is None:
            raise ModelError(f"the model in {folder} has no chat template. Use the renderer `blocks`.")
        return RendererSpec(name="chat", end=end, explain=True)
    if name != "blocks":
        raise ModelError(f"unknown renderer `{name}`; there are `chat` and `blocks`.")
    for markers in _MARKERS:
        if all(tokenizer.token_to_id(marker) is not None for marker in markers):
            otherwise = "chat" if _template(folder, settings) is not None else ""
            return RendererSpec(
                name="blocks", end=end, markers=dict(zip(ROLES, markers, strict=True)), otherwise=otherwise
            )
    raise ModelError(f"the model in {folder} has no special tokens that could mark blocks. Use the renderer `chat`.")


def load_renderer(folder: Path, spec: RendererSpec) -> Renderer:
    """Return the renderer of the model in `folder`. Raises `ModelError` where its files do not fit the spec."""
    tokenizer, settings = _read(folder)
    if spec.name == "blocks":
        beside = msgspec.structs.replace(spec, name=spec.otherwise) if spec.otherwise else None
        return BlocksRenderer(tokenizer, spec, load_renderer(folder, beside) if beside else None)
    template = _template(folder, settings)
    if template is None:
        raise ModelError(f"the model in {folder} has no chat template. Train it with the renderer `blocks`.")
    names = {key: token for key in ("bos_token", "eos_token", "pad_token") if (token := _token(settings.get(key)))}
    return ChatRenderer(tokenizer, spec, template, names)


def _read(folder: Path) -> tuple[Tokenizer, dict[str, object]]:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as missing:
        raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[serve]'") from missing
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} has no {name}: it is not a model folder with a fast tokenizer.")
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise ModelError(f"the tokenizer in {folder} cannot be read: {error}. Fetch the model again.") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{folder / 'tokenizer_config.json'} holds no object. Fetch the model again.")
    return tokenizer, settings


def _template(folder: Path, settings: dict[str, object]) -> str | None:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text("utf-8")
    template = settings.get("chat_template")
    return template if isinstance(template, str) else None


def _token(value: object) -> str | None:
    """A token in `tokenizer_config.json`: a string, or an object with `content`."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _role(message: Message) -> str:
    if message.role not in ROLES:
        raise ModelError(f"a message has the role {message.role!r}; allowed are {', '.join(ROLES)}.")
    return message.role


def _refuse(reason: str) -> None:
    raise ModelError(f"the model's chat template refuses this conversation: {reason}")
