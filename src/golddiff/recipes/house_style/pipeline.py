"""The demo from end to end: real code → simulated team → the real pipeline → `report.json` and `report.html`.

How it fits: calls the public functions of the stages in their order and adds nothing to what they decide; it only
attaches checks to rows. Every step is found finished when it is run again: sites by their key, sessions by idempotent
import, checkpoints by what they were trained from, answers by what was asked. `cli.demo` shows progress and writes the
page about the sessions, which is above this layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from golddiff.curate import Built, CurateConfig, Row, Tally, build
from golddiff.curate.dedup import without_duplicates
from golddiff.curate.kinds.sessions import rows_from_sessions
from golddiff.curate.split import order
from golddiff.errors import InputError
from golddiff.models.catalogue import find_model
from golddiff.outcomes.run import Summary as Outcomes
from golddiff.outcomes.run import compute
from golddiff.recipes.house_style.config import DemoConfig
from golddiff.recipes.house_style.families import IN_WORKFLOW
from golddiff.recipes.house_style.forgetting import off_workflow_tasks, untouched_samples
from golddiff.recipes.house_style.material import Material, gather
from golddiff.recipes.house_style.measure import Measured, measure
from golddiff.recipes.house_style.product import Product, build_product
from golddiff.recipes.house_style.rows import annotated
from golddiff.recipes.house_style.students import train_students
from golddiff.recipes.house_style.timing import Clock
from golddiff.record.ingest import import_paths
from golddiff.store import Store
from golddiff.train.r1 import Tick
from golddiff.types import Checkpoint, Outcome, Repository, SessionState

__all__ = ["BASE_MODEL", "Finished", "Listener", "run_demo"]

BASE_MODEL = "smollm2-135m"
DATASET = "house-style"


@dataclass(frozen=True)
class Listener:
    """Who wants to know how it goes."""

    step: Callable[[str], None]
    """A step begins."""
    say: Callable[[str], None]
    """Something worth a line."""
    count: Callable[[str, int, int], None]
    """What is being done, how much of it is done, and how much there is."""
    tick: Callable[[str, Tick], None]
    """A training step of one arm."""


@dataclass(frozen=True)
class Finished:
    """Everything that the report is made of."""

    config: DemoConfig
    material: Material
    product: Product
    outcomes: Outcomes
    built: Built
    checkpoints: dict[str, Checkpoint]
    measured: Measured
    minutes: float
    seconds: dict[str, float]


def run_demo(
    store: Store,
    cache: Path,
    config: DemoConfig,
    listener: Listener,
    *,
    after_outcomes: Callable[[Outcomes], None] = lambda _: None,
) -> Finished:
    """Run or continue the demo in the workspace of `store`.

    Raises whatever a stage raises; what was finished before is kept.
    """
    folder = store.folder("demo").resolve()  # transcripts name absolute paths, as real ones do
    clock, settings = Clock(folder / "timing.json"), _digest(config)
    with clock.step("places to edit", settings):
        listener.step("Real code: places to edit, each with a check that was run")
        material = gather(folder, config, listener.say)
        _say_material(material, listener)
    with clock.step("simulated team", settings):
        listener.step("A simulated team and a scripted teacher edit it in a real git repository")
        product = _play(folder, material, config, listener)
    with clock.step("import and outcomes", product.key):
        listener.step("What did the team keep? Import, link, judge")
        outcomes = _link(store, product, listener)
    after_outcomes(outcomes)
    with clock.step("curate", product.key):
        listener.step("Rows that may be trained on, in three arms")
        built, rows = _curate(store, material, product, config, listener)
    with clock.step("model", BASE_MODEL):
        base = find_model(BASE_MODEL, cache, say=listener.say)
    with clock.step("training", " ".join(one.id for one in built.datasets.values())):
        listener.step("Three students of one base: accepted changes, first attempts, shuffled pairs")
        checkpoints = train_students(store, built, base, config, listener.tick, listener.say)
    with clock.step("evaluation", " ".join(one.id for one in checkpoints.values())):
        listener.step("Held-out files: every answer is run in the sandbox")
        licence_of = material.licence_of
        off_sites = [site for site in material.sites if site.family.startswith("off: ")]
        samples = untouched_samples(material.files.values(), config, set(material.plan.paths))
        measured = measure(
            store,
            built,
            rows,
            checkpoints,
            base,
            cache,
            off_workflow_tasks(off_sites, licence_of, config),
            samples,
            config,
            listener.count,
        )
    return Finished(
        config,
        material,
        product,
        outcomes,
        built,
        checkpoints,
        measured,
        clock.minutes,
        dict(clock.seconds),
    )


def _play(folder: Path, material: Material, config: DemoConfig, listener: Listener) -> Product:
    plan = material.plan
    product = build_product(
        folder,
        plan,
        {path: material.files[path].text for path in plan.paths},
        material.licences,
        {path: material.files[path].licence for path in plan.paths},
        {family.name: family.wish for family in IN_WORKFLOW},
        config,
    )
    attempts = sum(len(session.turns) for session in product.played)
    by_hand = sum(bool(session.by_hand) for session in product.played)
    listener.say(
        f"{len(plan.sessions)} sessions on {len(plan.paths)} files, {attempts} attempts; after {by_hand} sessions the "
        "simulated user repaired the last attempt by hand"
    )
    return product


def _link(store: Store, product: Product, listener: Listener) -> Outcomes:
    done = product.repository.parent / "linked"
    if done.is_file() and done.read_text() == product.key:
        repository = store.get(Repository, (product.repository.parent / "repository").read_text())
        outcomes = Outcomes(repository, list(store.find(Outcome, repository_id=repository.id)))
    else:
        brought = import_paths(
            store, [product.transcripts], progress=lambda _, read, total: listener.count("import", read, total)
        )
        listener.say(", ".join(f"{count} sessions {change}" for change, count in brought.sessions.items() if count))
        outcomes = compute(store, product.repository)
        (product.repository.parent / "repository").write_text(outcomes.repository.id)
        done.write_text(product.key)
    states = ", ".join(f"{count} {state}" for state, count in outcomes.states.most_common())
    listener.say(f"{states}; unknown {outcomes.states[SessionState.UNKNOWN.value]} of {len(outcomes.outcomes)}")
    return outcomes


def _curate(
    store: Store, material: Material, product: Product, config: DemoConfig, listener: Listener
) -> tuple[Built, Sequence[Row]]:
    tally = Tally()
    held_out = {site.path for site in material.plan.sites(held_out=True)}
    settings = CurateConfig(
        name=DATASET, targets=("accepted", "attempt", "shuffled"), context_lines=0, seed=config.seed
    )
    sites = [site for one in material.plan.sessions for site in one.sites]
    cut = rows_from_sessions(store, settings, tally)
    found = annotated(cut, sites, product.licence_of, tally)
    unique = without_duplicates(sorted(found, key=order), settings.near_duplicates, tally)
    test = sum(row.example.path in held_out for row in unique)
    if not test or test == len(unique):
        raise InputError(f"{len(unique)} rows, {test} of them held out: too few places to edit in this environment.")
    # The sessions on held-out files are the last: half a row more than their share puts the cut right before them.
    settings = replace(settings, test_fraction=(test + 0.5) / len(unique))
    built = build(store, settings, unique, tally)
    accepted = built.datasets["accepted"]
    listener.say(
        f"{accepted.rows['train']} rows to train on, {accepted.rows['test']} held out; "
        f"{sum(accepted.dropped.values())} dropped, {sum(accepted.denied.values())} denied ({built.rule})"
    )
    return built, unique


def _say_material(material: Material, listener: Listener) -> None:
    permitted = [one for one in material.licences if one.permitted]
    denied = [one.distribution for one in material.licences if not one.permitted]
    listener.say(f"{len(permitted)} distributions may be used; denied for their licence: {', '.join(denied) or 'none'}")
    counts = Counter(site.family for site in material.sites)
    listener.say("distinct places: " + ", ".join(f"{family} {count}" for family, count in counts.most_common()))


def _digest(config: DemoConfig) -> str:
    return blake2b(repr(config.record()).encode(), digest_size=12).hexdigest()
