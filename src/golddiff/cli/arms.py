"""From `--arm ROLE[-NAME][+R0]=MODEL` to arms that can be asked; the only place that knows every kind of model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from golddiff import config as settings
from golddiff.cli.app import console
from golddiff.cli.spending import listed, stated
from golddiff.errors import InputError, ModelError, UsageError
from golddiff.store import Store
from golddiff.types import Checkpoint, Example

if TYPE_CHECKING:
    from golddiff.evaluate.arms import Arm, Role

R0 = "R0"
KEY_VARIABLE = "OPENAI_API_KEY"


class ArmMaker:
    """Makes the arms of one evaluation; a model that two arms share is opened once."""

    def __init__(
        self,
        store: Store,
        tasks: Sequence[Example],
        *,
        shots: int,
        in_flight: int,
        cores: int,
        prices: Sequence[str],
        own_prices: Path | None = None,
    ) -> None:
        """`cores` of a local model, 0: all; `prices` are `ARM=IN,OUT`, `own_prices` a folder with a `prices.toml`."""
        self._store, self._tasks, self._shots, self._in_flight, self._cores = store, tasks, shots, in_flight, cores
        self._prices, self._own_prices = stated(prices), own_prices
        self._models: dict[tuple[str, str], Arm] = {}

    def make(self, specs: Sequence[str]) -> list[Arm]:
        """Return the arms of all `--arm`, and R0 beside every base that does not name its own.

        Raises UsageError, InputError and ModelError.
        """
        made = [arm for spec in specs for arm in self._arms(spec, specs)]
        unknown = sorted(set(self._prices) - {arm.training or arm.name.removesuffix(f" + {R0}") for arm in made})
        if unknown:
            raise UsageError(f"--price names the arm {unknown[0]}, which no --arm makes.")
        return made

    def _arms(self, spec: str, specs: Sequence[str]) -> Iterator[Arm]:
        from dataclasses import replace

        from golddiff.evaluate.arms import Role

        named, equals, model = spec.partition("=")
        name = named.removesuffix(f"+{R0}")
        role = next((role for role in Role if name == role.value or name.startswith(f"{role.value}-")), None)
        if role is None or not equals or not model:
            known = ", ".join(Role)
            raise UsageError(f"--arm {spec}: expected ROLE=MODEL or ROLE-NAME=MODEL with ROLE one of {known}.")
        if model == "recorded":
            if named != name:
                raise UsageError(
                    f"--arm {spec}: what was recorded cannot be asked again with {R0}. Name a model or URL."
                )
            yield _recorded(self._store, name, role, self._tasks)
            return
        if "," in model and "://" not in model:
            if named != name:
                raise UsageError(f"--arm {spec}: several trainings are asked without {R0}; leave out +{R0}.")
            yield from self._trainings(name, role, model.split(","))
            return
        arm = self._remote(name, role, model) if "://" in model else self._local(name, role, model)
        shown = replace(arm, name=f"{name} + {R0}", shots=self._shots or 3)
        if named != name:
            yield shown
            return
        yield arm
        if role is Role.BASE and self._shots and not any(other.startswith(f"{name}+{R0}=") for other in specs):
            yield shown

    def _trainings(self, name: str, role: Role, models: Sequence[str]) -> Iterator[Arm]:
        """Several checkpoints of one recipe that differ in their seed."""
        from dataclasses import replace

        found = [_checkpoint(self._store, name, model) for model in models]
        if None in found:
            raise UsageError(f"--arm {name}: {models[found.index(None)]} is no checkpoint; only trainings have seeds.")
        checkpoints = [one for one in found if one is not None]
        recipes = {_recipe(one) for one in checkpoints}
        seeds = [one.seed for one in checkpoints]
        if len(recipes) > 1 or len(set(seeds)) < len(seeds):
            told = ", ".join(f"{one.id[:20]}: {one.recipe}, seed {one.seed}" for one in checkpoints)
            raise UsageError(
                f"--arm {name}: trainings of one arm have one recipe, base and dataset, and seeds of their own "
                f"({told}). Give other checkpoints an arm of their own: --arm {role.value}-NAME=CHECKPOINT."
            )
        for one in sorted(checkpoints, key=lambda one: one.seed):
            arm = self._local(f"{name} seed {one.seed}", role, one.id)
            yield replace(arm, training=name, price=self._prices.get(name))

    def _remote(self, name: str, role: Role, model: str) -> Arm:
        from golddiff.evaluate.arms import Arm

        if (kept := self._models.get((name, model))) is not None:
            return kept
        try:
            import httpx

            from golddiff.providers.chat_client import ChatClient, ChatConfig
        except ModuleNotFoundError as missing:
            raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[evaluate]'") from missing
        url, _, served = model.partition("#")
        if not served:
            raise UsageError(f"--arm {name}={model}: add the model's name at that server, as {url}#NAME.")
        key = os.environ.get(KEY_VARIABLE)
        try:
            client = ChatClient(ChatConfig(base_url=url, model=served, api_key=key, concurrency=self._in_flight))
        except httpx.InvalidURL as error:
            raise UsageError(f"--arm {name}={model}: {url} is no URL ({error}), as http://HOST:PORT/v1 is.") from error
        arm = Arm(
            name=name,
            role=role,
            identity=served,
            variant=url,
            upstream=client,
            explain=True,
            in_flight=self._in_flight,
            price=self._prices.get(name) or listed(name, served, url, self._own_prices),
        )
        self._models[name, model] = arm
        return arm

    def _local(self, name: str, role: Role, model: str) -> Arm:
        from golddiff.evaluate.arms import Arm
        from golddiff.models.catalogue import find_model
        from golddiff.models.export import QUANTIZATION, engine_folder
        from golddiff.models.folder import read_engine_manifest
        from golddiff.providers.on_demand import OnDemand
        from golddiff.serve.local import LocalOpener

        if (kept := self._models.get((name, model))) is not None:
            return kept

        def say(text: str) -> None:
            console.print(text, style="dim", markup=False)

        cache = settings.cache_folder()
        checkpoint = _checkpoint(self._store, name, model)
        folder = self._store.files(checkpoint.folder) if checkpoint else find_model(model, cache, say=say)
        manifest = read_engine_manifest(engine_folder(folder, cache, say=say))
        arm = Arm(
            name=name,
            role=role,
            identity=checkpoint.id if checkpoint else f"{manifest.name}@{manifest.weights_hash[:12]}",
            variant=QUANTIZATION,
            upstream=OnDemand(LocalOpener(manifest.name, folder, cache, self._cores)),
            explain=manifest.renderer.explain,
            price=self._prices.get(name),
            examples=_rows(self._store, checkpoint),
        )
        self._models[name, model] = arm
        return arm


def _checkpoint(store: Store, name: str, model: str) -> Checkpoint | None:
    found = [one for one in store.find(Checkpoint) if one.id.startswith(model)]
    if len(found) > 1:
        named = ", ".join(one.id for one in found)
        raise UsageError(f"--arm {name}={model} is ambiguous: {named}. Give more of it.")
    return found[0] if found else None


def _recipe(checkpoint: Checkpoint) -> tuple[object, ...]:
    config = sorted((key, str(value)) for key, value in checkpoint.config.items() if key != "seed")
    return checkpoint.recipe, checkpoint.base_model, checkpoint.dataset_id, tuple(config)


def _rows(store: Store, checkpoint: Checkpoint | None) -> int | None:
    from golddiff.types import Dataset

    if checkpoint is None or checkpoint.dataset_id is None:
        return None
    found = next((one for one in store.find(Dataset) if one.id == checkpoint.dataset_id), None)
    return found.rows.get("train") if found else None


def _recorded(store: Store, name: str, role: Role, tasks: Sequence[Example]) -> Arm:
    from golddiff.evaluate.arms import Arm, recorded_answers

    answers = recorded_answers(tasks, store.find(Example, kind="attempt", split="test"))
    if not answers:
        raise InputError(
            f"--arm {name}=recorded: no first attempt at any of the {len(tasks)} tasks is recorded. "
            "Rows from a repository's history have none; rows from sessions do (`golddiff curate --source sessions`)."
        )
    return Arm(name=name, role=role, identity="recorded", recorded=answers)
