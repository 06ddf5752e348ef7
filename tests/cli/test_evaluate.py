"""`golddiff evaluate` from the command line, against models behind a real HTTP server."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from evaluate.conftest import last_line, task
from golddiff.cli import application
from golddiff.cli import evaluate as evaluate_command
from golddiff.cli.app import run
from golddiff.cli.arms import ArmMaker
from golddiff.errors import ConfigError, ModelError, UsageError
from golddiff.evaluate import Arm, Role
from golddiff.evaluate import run as run_module
from golddiff.evaluate.budget import Price
from golddiff.sandbox.fake import FakeSandbox
from golddiff.store import Store
from golddiff.store.datasets import write_dataset
from golddiff.types import Checkpoint, Dataset, EvaluationRun, Example, Verdict

pytest.importorskip("pyarrow")
MAKER = ArmMaker(None, [], shots=3, in_flight=2, cores=0, prices=())  # type: ignore[arg-type]  # remote arms need no store
PERMITTED = Verdict(use="train", permitted=True, reasons=("test",), policy="test")


class Model(BaseHTTPRequestHandler):
    """Model `good` makes every edit, `lazy` repeats the window, `broken` answers no completion."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        window = body["messages"][-1]["content"].split("\n", 1)[1]
        text = window.replace("old", "new") if body["model"] == "good" else window
        answer = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        data = b"{}" if body["model"] == "broken" else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/v1"
        listening.shutdown()
        thread.join()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    rows = {
        split: [msgspec.structs.replace(task(n, split=split), verdict=PERMITTED) for n in range(12)]
        for split in ("train", "test")
    }
    dataset = Dataset(
        id="dst_1",
        name="ours",
        rows={split: len(found) for split, found in rows.items()},
        dropped={},
        denied={},
        folder="datasets/dst_1",
        content_hash="0",
        config={},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    with Store.open(folder) as store:
        write_dataset(store, dataset, rows, "card")
        store.put(dataset)
        first = rows["test"][0]
        store.put(msgspec.structs.replace(first, id="exa_1", kind="attempt", after=first.before))
    sandbox = FakeSandbox(lambda job: json.dumps(last_line(job.candidate)))
    monkeypatch.setattr(run_module, "open_sandbox", lambda: sandbox)
    return folder


def call(workspace: Path, *more: str) -> int:
    return run(application, ["evaluate", "--dataset", "ours", "--workspace", str(workspace), *more])


def test_arms_are_compared_and_the_page_is_written(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ["--arm", f"base={server}#lazy", "--arm", f"student={server}#good", "--arm", "teacher=recorded"]
    assert call(workspace, *arms, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    thetas = {arm["name"]: arm["measures"]["success"]["estimate"] for arm in summary["arms"]}
    assert thetas == {"base": 0.0, "base + R0": 0.0, "student": 1.0, "teacher": 0.0}
    assert "1 independent clusters" in summary["recoveries"][0]["result"]["reason"]
    with Store.open(workspace, write=False) as store:
        (stored,) = store.find(EvaluationRun)
        assert stored.summary["theta:student"] == 1.0
        assert stored.report is not None
        assert "Every arm on the same tasks" in (store.root / stored.report).read_text("utf-8")
        assert "dst_1" in store.parents(stored.id)


def test_the_table_and_the_refusal_are_printed(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ["--arm", f"base={server}#lazy", "--arm", f"student={server}#good", "--arm", "teacher=recorded"]
    assert call(workspace, *arms, "--r0", "0", "--limit", "8") == 0
    said = capsys.readouterr().out
    assert "8 held-out tasks" in said
    assert "Capability recovered by student" in said
    assert "not given" in said


def test_an_earlier_run_stands_beside_and_one_of_another_harness_does_not(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(workspace, "--arm", f"student-1={server}#lazy", "--json") == 0
    earlier = json.loads(capsys.readouterr().out)["run_id"]
    assert call(workspace, "--arm", f"student-2={server}#good", "--against", earlier, "--json") == 0
    assert [arm["name"] for arm in json.loads(capsys.readouterr().out)["arms"]] == ["student-2", "student-1"]
    other = ["--arm", f"student-2={server}#good", "--against", earlier, "--max-tokens", "64"]
    assert call(workspace, *other) == 2
    assert "different harnesses" in capsys.readouterr().err


def test_a_model_that_answers_nothing_usable_is_unscored(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(workspace, "--arm", f"student={server}#broken", "--json") == 0
    (arm,) = json.loads(capsys.readouterr().out)["arms"]
    assert arm["scored"] == 0
    assert sum(arm["unscored"].values()) == 12


@pytest.mark.parametrize(
    ("arm", "code", "said"),
    [
        ("student", 2, "ROLE=MODEL"),
        ("pupil=x", 2, "ROLE one of base, student, teacher, control"),
        ("teacher=http://localhost/v1", 2, "add the model's name"),
        ("student=no-such-model", 6, "no model `no-such-model`"),
    ],
)
def test_an_arm_that_cannot_be_says_why(
    workspace: Path, capsys: pytest.CaptureFixture[str], arm: str, code: int, said: str
) -> None:
    assert call(workspace, "--arm", arm) == code
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_an_unknown_dataset_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--dataset", "theirs", "--arm", "student=x", "--workspace", str(workspace)]
    assert run(application, arguments) == 3
    assert "no dataset `theirs`" in capsys.readouterr().err


def test_a_dataset_without_recorded_attempts_says_so(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(workspace) as store:
        store.remove(Example, "exa_1")
    assert call(workspace, "--arm", "teacher=recorded") == 3
    assert "no first attempt" in capsys.readouterr().err


def test_a_url_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="is no URL"):
        MAKER._remote("teacher", Role.TEACHER, "http://[::1/v1#model")


def test_without_httpx_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ModelError, match=r"httpx is not installed.*golddiff\[evaluate\]"):
        MAKER._remote("teacher", Role.TEACHER, "http://localhost/v1#model")


def test_two_runs_are_compared_arm_by_arm(workspace: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for model in ("lazy", "good"):
        assert call(workspace, "--arm", f"student={server}#{model}", "--json") == 0
        runs.append(json.loads(capsys.readouterr().out)["run_id"])
    assert run(application, ["compare", *runs, "--workspace", str(workspace), "--json"]) == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert (change["first"], change["second"], len(change["won"]), change["lost"]) == (0.0, 1.0, 12, [])
    assert run(application, ["compare", *runs, "--workspace", str(workspace)]) == 0
    assert "(another" in capsys.readouterr().out


def test_only_runs_are_compared(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["compare", "dst_1", "dst_1", "--workspace", str(workspace)]) == 3
    assert "dst_1 is no evaluation run" in capsys.readouterr().err


def test_what_the_tasks_can_show_is_said_before_anything_is_asked(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(workspace, "--arm", f"student={server}#good") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "With these 12 tasks from 7 files or repositories two arms cannot be told apart" in said


def test_a_teacher_with_r0_is_an_arm_of_its_own_and_money_needs_a_price(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ["--arm", f"teacher={server}#good", "--arm", f"teacher+R0={server}#good", "--arm", f"base={server}#lazy"]
    assert call(workspace, *arms, "--budget-usd", "1") == 2
    assert "--budget-usd needs a price for every server: teacher has none" in capsys.readouterr().err.replace("\n", " ")
    prices = ["--price", "teacher=1,2", "--price", "base=1,2"]
    assert call(workspace, *arms, *prices, "--budget-usd", "0.0003") == 9
    assert "run the same command again" in " ".join(capsys.readouterr().err.lower().split())
    assert call(workspace, *arms, *prices, "--json") == 0
    found = json.loads(capsys.readouterr().out)["arms"]
    assert [arm["name"] for arm in found] == ["teacher", "teacher + R0", "base", "base + R0"]
    assert [arm["in_flight"] for arm in found] == [8] * 4
    assert call(workspace, "--arm", "teacher+R0=recorded") == 2
    assert call(workspace, *arms, "--price", "teachr=1,2") == 2


def test_trainings_of_one_arm_differ_in_their_seed_only(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(workspace) as store:
        for number, recipe in enumerate(("r1", "r1", "r2")):
            store.put(checkpoint(number, recipe))
    assert call(workspace, "--arm", "student=checkpoint_0,checkpoint_1,checkpoint_2") == 2
    assert "one recipe, base and dataset" in " ".join(capsys.readouterr().err.split())
    assert call(workspace, "--arm", "student=checkpoint_0,smollm2") == 2
    assert "only trainings have seeds" in " ".join(capsys.readouterr().err.split())


def test_a_price_of_several_trainings_is_that_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "ws") as store:
        store.put(checkpoint(0, "r1"), checkpoint(1, "r1"))
        maker = ArmMaker(store, [], shots=0, in_flight=2, cores=0, prices=("student=1,2",))
        monkeypatch.setattr(
            maker, "_local", lambda name, role, model: Arm(name=name, role=role, identity=model, recorded={})
        )
        arms = maker.make(["student=checkpoint_1,checkpoint_0"])
    assert [arm.name for arm in arms] == ["student seed 0", "student seed 1"]
    assert [(arm.training, arm.price and arm.price.output) for arm in arms] == [("student", 2.0)] * 2


def test_a_list_price_is_the_providers_own_servers_only(capsys: pytest.CaptureFixture[str]) -> None:
    def price(model: str) -> Price | None:
        return MAKER.make([f"teacher={model}"])[0].price

    listed = price("https://api.openai.com/v1#gpt-5.5")
    assert listed is not None
    assert "openai's list of" in listed.source
    for url in ("http://localhost:8000/v1", "https://api.openai.com.example/v1", "https://example.com/api.openai.com"):
        assert price(f"{url}#gpt-5.5") is None
        assert "openai's price of gpt-5.5 is not taken" in " ".join(capsys.readouterr().err.split())
    assert price("https://api.openai.com/v1#unheard-of") is None
    assert price("http://localhost:8000/v1#golddiff-simulated-teacher") == Price(0, 0, "golddiff's list of 2026-11-21")
    assert price("https://example.com/v1#golddiff-simulated-teacher") is None


def test_an_operators_own_price_holds_for_a_model_wherever_it_is_served(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        'version = "2026-11-01"\n[[provider]]\nname = "ours"\n'
        'source = { title = "contract", url = "", as_of = "2026-11-01", read = "contract" }\n'
        '[[provider.family]]\nmodels = ["gpt-5.5", "our-*"]\nrates = { input = 0.5, output = 2.0 }\n'
    )
    maker = ArmMaker(None, [], shots=0, in_flight=2, cores=0, prices=("teacher-b=1,1",), own_prices=tmp_path)  # type: ignore[arg-type]
    names = ("https://api.openai.com/v1#gpt-5.5", "http://10.0.0.7/v1#our-model", "http://10.0.0.7/v1#another")
    found = [maker.make([f"teacher-{place}={name}", "teacher-b=x://y#z"])[0].price for place, name in enumerate(names)]
    assert found == [Price(0.5, 2.0, "prices.toml, 2026-11-01")] * 2 + [None]
    assert maker.make(["teacher-b=http://10.0.0.7/v1#our-model"])[0].price == Price(1, 1, "stated")
    (tmp_path / "prices.toml").write_text("version = 1")
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        maker.make(["teacher-c=http://10.0.0.7/v1#new", "teacher-b=x://y#z"])


def test_trainings_of_an_earlier_run_are_not_pooled_with_those_of_this_one(tmp_path: Path) -> None:
    made = [
        EvaluationRun(
            id=f"run_{number}",
            dataset_id="d",
            arms={f"student seed {seed}": "m" for seed in seeds},
            harness="h",
            summary={f"training:student seed {seed}": "student" for seed in seeds},
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number, seeds in ((1, (1, 2)), (2, (2, 3)))
    ]
    with Store.open(tmp_path / "ws") as store:
        run, _ = evaluate_command._beside(store, made[0], [], made[1])
    trainings = {name: run.summary[f"training:{name}"] for name in run.arms}
    assert trainings == {
        "student seed 1": "student",
        "student seed 2": "student",
        "student seed 2 of run_2": "student of run_2",
        "student seed 3": "student of run_2",
    }


def checkpoint(number: int, recipe: str) -> Checkpoint:
    return Checkpoint(
        id=f"checkpoint_{number}",
        base_model="base",
        base_licence=None,
        dataset_id="dst_1",
        recipe=recipe,
        config={"seed": number},
        seed=number,
        code_version="0",
        folder=f"checkpoints/{number}",
        weights_hash="0",
        trained_tokens=1,
        final_loss=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_other_tasks_stand_beside_as_off_workflow(
    workspace: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ["--arm", f"base={server}#lazy", "--arm", f"student={server}#good", "--arm", f"teacher={server}#good"]
    assert call(workspace, *arms, "--r0", "0", "--off-workflow", "ours", "--limit", "8", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["off_workflow"]["tasks"] == 8
    assert summary["stage_recoveries"]["apply"][0]["student"] == "student"
    assert "fewer than 3 trainings" in summary["seeds_caution"]
    lazy = [*arms[:2], "--arm", f"student={server}#lazy", *arms[4:]]
    assert call(workspace, *lazy, "--r0", "0", "--off-workflow", "ours", "--limit", "8", "--json") == 0
    runs = [summary["run_id"], json.loads(capsys.readouterr().out)["run_id"]]
    assert run(application, ["compare", *runs, "--workspace", str(workspace), "--json"]) == 0
    off = json.loads(capsys.readouterr().out)["off_workflow"]
    assert (off["shared"], off["recovered"][0]["first"]["student"], off["off_workflow"]) == (8, "student", None)
    assert run(application, ["compare", *runs, "--workspace", str(workspace)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Capability recovered by student (base → teacher, 8 tasks): in both runs not given") == 2
    assert said.index("Off the workflow") < said.rindex("Capability recovered")
