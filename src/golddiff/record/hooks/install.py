"""`install`, `uninstall` and `status` over all places at once: the verbs of `golddiff hooks`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from golddiff.errors import GolddiffError, InputError
from golddiff.git import GitRepository
from golddiff.record.hooks import git_hooks, installed, settings
from golddiff.record.hooks.clients import CLIENTS, Client
from golddiff.record.hooks.journal import NAME

_AGENT, _GIT = "agent.sh", "git.sh"


@dataclass
class Report:
    """What was done or found, place by place."""

    places: list[dict[str, str]] = field(default_factory=list)
    """`what` (client, or `git <hook>`), `path`, `state`."""
    notes: list[str] = field(default_factory=list)
    """What the user should know or do."""

    def add(self, what: str, path: Path | str, state: str) -> None:
        """Note one place."""
        self.places.append({"what": what, "path": str(path), "state": state})


def install(
    workspace: Path,
    repo: Path,
    *,
    clients: Iterable[str] | None = None,
    project: bool = False,
    git: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Report:
    """Install the scripts in `workspace` and calls of them; what is installed already is left as it is.

    `clients` None means every client whose folder exists; `project` uses the repository's own settings files.

    Raises:
        InputError: `repo` is in no repository, and neither clients were named nor git left out (nothing is written);
            or a settings file or a hooks folder cannot be used (what was installed before stays and is recorded).
    """
    report = Report()
    top = _top(repo)
    if top is None and project:
        raise InputError(
            f"{repo.resolve()} is in no git repository: --project needs one; leave it out for your own settings."
        )
    if top is None and git and clients is None:
        raise InputError(
            f"{repo.resolve()} is in no git repository, so nothing was installed. Go to yours or name it (--repo). "
            "To note your agents' sessions in every folder without one, say so: --no-git, or name agents (--client)."
        )
    chosen = _chosen(clients, top if project else None, environment)
    folder = _scripts(workspace)
    done = installed.read(folder)

    def note(item: installed.Installed) -> None:
        done[item.path] = _joined(done.get(item.path), item)
        installed.write(folder, done)

    if git and top is not None:
        try:
            hooks = git_hooks.hooks_folder(repo)
        except InputError as error:
            report.notes.append(str(error))
        else:
            for hook in git_hooks.HOOKS:
                git_hooks.install(hooks, hook, folder / _GIT, note)
                report.add(f"git {hook}", hooks / hook, "installed")
            for name in git_hooks.managers(top):
                report.notes.append(
                    f"{name} manages hooks here: its hooks are kept and run. If it writes them anew, `golddiff hooks "
                    "status` says so, and installing again repairs it."
                )
    elif git:
        report.notes.append(f"{repo.resolve()} is in no git repository, so no git hook was installed.")
    for client in chosen:
        path = client.settings_path(top if project else None, environment)
        settings.install(client, path, folder / _AGENT, note)
        report.add(client.name, path, "installed")
        if client.name == "codex":
            report.notes.append("Codex runs a new hook only after you have trusted it: type /hooks in Codex.")
    if chosen and not project:
        names = ", ".join(client.name for client in chosen)
        report.notes.append(
            f"These are your own settings of {names}: sessions in every folder are noted in {folder / NAME} from now "
            "on (ids, paths and times, never what was said). --project notes those of one repository; `golddiff hooks "
            "uninstall` with this workspace takes everything back."
        )
    if not report.places:
        report.notes.append(
            f"Nothing to install into: none of {', '.join(CLIENTS)} keeps settings here. Name one with --client."
        )
    return report


def uninstall(workspace: Path) -> Report:
    """Take everything out that this workspace has installed anywhere."""
    report = Report()
    folder = workspace.resolve() / installed.FOLDER
    done = installed.read(folder)
    for path, item in reversed(list(done.items())):  # a folder that was made goes when its last file has gone
        try:
            git = item.what.startswith("git ")
            state = git_hooks.uninstall(item) if git else settings.uninstall(item, folder / _AGENT)
        except (GolddiffError, OSError) as error:
            report.add(item.what, path, "failed")
            report.notes.append(str(error))
            continue
        report.add(item.what, path, state)
        del done[path]
        installed.write(folder, done)
    if not done:
        for name in (_AGENT, _GIT):
            (folder / name).unlink(missing_ok=True)
    return report


def status(workspace: Path, repo: Path, *, environment: Mapping[str, str] = os.environ) -> Report:
    """What is installed, whether it still is in force, and what was noted so far."""
    report = Report()
    folder = workspace.resolve() / installed.FOLDER
    done = installed.read(folder)
    for path, item in done.items():
        if item.what.startswith("git "):
            working = git_hooks.is_installed(Path(path), folder / _GIT)
        else:
            working = settings.is_complete(CLIENTS[item.what], Path(path), folder / _AGENT)
        report.add(item.what, path, "installed" if working else "changed since: install again")
    places = {item["path"] for item in report.places}
    top = _top(repo)
    if top is not None:
        try:
            hooks = git_hooks.hooks_folder(repo)
        except InputError as error:
            report.notes.append(str(error))
        else:
            for hook in git_hooks.HOOKS:
                if str(hooks / hook) not in places:
                    report.add(f"git {hook}", hooks / hook, "not installed")
        report.notes += [f"{name} manages hooks here." for name in git_hooks.managers(top)]
    named = {item["what"] for item in report.places}
    for client in _chosen(None, None, environment):
        if client.name not in named:
            report.add(client.name, client.settings_path(None, environment), "not installed")
    try:
        size = (folder / NAME).stat().st_size
        report.notes.append(f"{folder / NAME}: {size:,} bytes noted; `golddiff watch` reads them.")
    except OSError:
        report.notes.append("Nothing was noted yet.")
    return report


def _scripts(workspace: Path) -> Path:
    """Put the scripts into the workspace; returns their folder."""
    folder = workspace.resolve() / installed.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ignore = workspace / ".gitignore"
    if not ignore.exists():  # as the store does: a workspace inside a repository must never be committed
        ignore.write_text("*\n")
    for name in (_AGENT, _GIT):
        data = resources.files("golddiff.record.hooks").joinpath(name).read_bytes()
        if not (folder / name).exists() or (folder / name).read_bytes() != data:
            installed.replace_file(folder / name, data, 0o644)
    (folder / NAME).touch(mode=0o600)
    return folder


def _joined(before: installed.Installed | None, now: installed.Installed) -> installed.Installed:
    """One record for a file that was repaired: what it held before the first time is what counts."""
    if before is None or now.way != "inserted" or before.way != "inserted":
        return now
    return installed.Installed(
        path=now.path,
        what=now.what,
        way="inserted",
        pieces=(*(piece for piece in before.pieces if piece not in now.pieces), *now.pieces),
        original_sha256=before.original_sha256,
    )


def _chosen(clients: Iterable[str] | None, project: Path | None, environment: Mapping[str, str]) -> list[Client]:
    if clients is None:
        return [
            client
            for client in CLIENTS.values()
            if client.settings_path(None, environment).parent.is_dir()
            or (project is not None and client.settings_path(project).parent.is_dir())
        ]
    unknown = sorted(set(clients) - set(CLIENTS))
    if unknown:
        raise InputError(f"no hooks are known for {', '.join(unknown)}; there are {', '.join(CLIENTS)}.")
    return [CLIENTS[name] for name in dict.fromkeys(clients)]


def _top(repo: Path) -> Path | None:
    try:
        with GitRepository.open(repo) as git:
            return git.top
    except InputError:
        return None
