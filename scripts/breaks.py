#!/usr/bin/env python3
"""Breaks the safety code on purpose, one place at a time, and shows that the tests notice.

    scripts/breaks.py --check        every break still finds its place, and stands in CONTRIBUTING.md (seconds)
    scripts/breaks.py [NAME ...]     applies each in a copy of the last commit, runs its tests, and reverts it
    scripts/breaks.py --table        the table of CONTRIBUTING.md

A break that no test notices is a failure, and so is one that does not compile. The copy and its build outputs are in
one folder beside the gate's, so that a second run compiles our own crates alone.
"""

import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "landfall" / "breaks"


class Break(NamedTuple):
    """One place of the safety code, and what stands there when it is broken."""

    name: str
    what: str
    path: str
    old: str
    new: str
    tests: str


CORE = "crates/core/src/"
BREAKS = [
    Break(
        "fence", "another writer's entry counts as ours", CORE + "ledger/publish.rs",
        "Ok(Some(found)) => return Ok(Published::Theirs(found)),",
        "Ok(Some(_)) => return Ok(Published::Ours(first)),",
        "--test sleeping_holder",
    ),
    Break(
        "intent", "a call is sent before its intent is written", CORE + "apply/start.rs",
        "        self.outbox_then.push(Then::Call(index));\n        self.ops[index].phase = Phase::Recorded;\n",
        "        self.ops[index].phase = Phase::Ready;\n        self.enqueue(index);\n",
        "--test double_kills a_hundred_pairs_on_12",
    ),
    Break(
        "lease", "a call starts although the lease may run out under it", CORE + "apply/start.rs",
        "if self.session.remaining() <= self.setup.options.call_timeout {",
        "if self.session.remaining() <= Duration::ZERO && self.nothing_left() {",
        "--test sleeping_holder",
    ),
    Break(
        "owner-at-create", "what somebody else made under the same name is taken over", CORE + "apply/answer.rs",
        "            Ownership::Foreign => {\n                let error = Error::new(Code::ForeignResource, format!(\"it exists and is not ours: {}\", seen.id))",
        "            Ownership::Foreign if seen.id.is_empty() => {\n                let error = Error::new(Code::ForeignResource, format!(\"it exists and is not ours: {}\", seen.id))",
        "--test apply",
    ),
    Break(
        "owner-in-plan", "a plan changes what does not bear our marks", CORE + "plan/survey.rs",
        "            Ownership::Inherited => return Ok(()),\n            Ownership::Ours(marks) => marks,",
        "            Ownership::Inherited | Ownership::Foreign => return Ok(()),\n            Ownership::Ours(marks) => marks,",
        "--lib -- plan::tests",
    ),
    Break(
        "redaction", "a secret that the cloud repeats is shown", CORE + "apply/converge.rs",
        "            if secret.expose_secret().len() >= 4 && text.contains(secret.expose_secret()) {",
        "            if secret.expose_secret().is_empty() {",
        "--test secrets",
    ),
    Break(
        "consent", "a plan that loses data is applied without consent", CORE + "plan/consent.rs",
        "        let blocked = self.blocked();\n        if blocked.is_empty() {",
        "        let blocked = self.blocked();\n        if !blocked.is_empty() || blocked.is_empty() {",
        "--test protection",
    ),
    Break(
        "protection", "what holds data can be replaced without consent", CORE + "plan/operations.rs",
        "needs_consent: replaces && object.as_ref().is_some_and(|object| object.protected || old_type.holds_data),",
        "needs_consent: false,",
        "--test protection",
    ),
    Break(
        "pin", "a stack is worked on in another account", CORE + "apply/converge.rs",
        "            Some(pinned) if *pinned != self.setup.target => Err(Error::new(",
        "            Some(pinned) if pinned.region.is_empty() => Err(Error::new(",
        "--test converge",
    ),
    Break(
        "lag", "one look that shows nothing proves absence", CORE + "apply/look.rs",
        "    lag * 2\n",
        "    lag * 0\n",
        "--test schedules from_seed_0_on",
    ),
    Break(
        "deleted", "a deleted object that is out of sight once is gone", CORE + "apply/answer.rs",
        "of.is_ok_and(|of| of.lag.is_zero() || passed > absence(of.lag + self",
        "of.is_ok_and(|of| passed == passed || passed > absence(of.lag + self",
        "--test schedules from_seed_0_on",
    ),
    Break(
        "unknown", "a refused read counts as absence", CORE + "plan/survey.rs",
        "                if host_gone {\n",
        "                if host_gone || error.code() != Code::Internal {\n",
        "--lib -- plan::tests",
    ),
    Break(
        "token", "each replacement uses the token of the object before", CORE + "resource/identity.rs",
        'format!("{stack}/{address}@{generation}")',
        'format!("{stack}/{address}@{}", generation * 0)',
        "--lib -- resource::identity",
    ),
    Break(
        "checksum", "an entry is read although its checksum does not match", CORE + "ledger/codec.rs",
        "    if checksum(format, body) != sum {",
        "    if checksum(format, body).len() != sum.len() {",
        "--test damaged_ledger",
    ),
    Break(
        "chain", "an entry of another history is folded in", CORE + "ledger/load.rs",
        "    if entry.number != head.number + 1 || entry.previous != head.hash {",
        "    if entry.number != head.number + 1 {",
        "--lib -- ledger::load",
    ),
    Break(
        "read-back", "an entry whose answer was lost counts as not written", CORE + "ledger/publish.rs",
        "                Ok(Some(found)) if found == draft.bytes => return Ok(Published::Ours(first)),\n",
        "",
        "--lib -- ledger::lease",
    ),
    Break(
        "probe", "a store that ignores the condition is used", CORE + "ledger/handle.rs",
        "            if put == Put::Exists {\n                self.shared.conditional",
        "            if put == Put::Exists || put == Put::Created {\n                self.shared.conditional",
        "--lib -- ledger::lease",
    ),
    Break(
        "lost-ledger", "an empty ledger counts as an empty world", CORE + "apply/converge.rs",
        "        if session.state().is_empty() && !self.count(",
        "        if session.state().is_empty() && session.epoch() == 0 && !self.count(",
        "--test converge",
    ),
    Break(
        "slow", "what is slow has failed", CORE + "apply/answer.rs",
        "                    return self.give_up(index, error);\n                }\n                let wait = interval(op.usual, passed);",
        "                    return self.fail(index, error.leaves(Remains::Nothing));\n                }\n                let wait = interval(op.usual, passed);",
        "--test apply",
    ),
    Break(
        "recheck", "nobody counts what a sleeping holder made too late", CORE + "ledger/state.rs",
        "                    (Some(_), _) => Recheck::Due,",
        "                    (Some(_), _) => Recheck::No,",
        "--test sleeping_holder",
    ),
    Break(
        "twins", "what was made twice is kept", CORE + "apply/converge.rs",
        "            *suspect = Suspect::LateCalls;\n        }",
        "            *suspect = Suspect::Nothing;\n        }",
        "--test sleeping_holder",
    ),
    Break(
        "generation", "an older configuration converges backwards", CORE + "apply/converge.rs",
        "        if deployed <= mine || self.setup.options.rollback {",
        "        if deployed <= mine || deployed > mine {",
        "--test generations",
    ),
    Break(
        "stale-plan", "a plan is applied although the world moved", CORE + "plan/consent.rs",
        "        if moved.is_empty() {\n            return Ok(());",
        "        if moved.is_empty() || !moved.is_empty() {\n            return Ok(());",
        "--test converge",
    ),
    Break(
        "crash-loop", "a service in a crash loop tries without pause", CORE + "apply/attempts.rs",
        "    let doublings = attempts.saturating_sub(FREE);",
        "    let doublings = attempts.saturating_sub(FREE) * 0;",
        "--test crash_loop",
    ),
    Break(
        "isolation", "what stands on a failed resource is made all the same", CORE + "apply/end.rs",
        "        self.ops[index].phase = Phase::Ended;\n        let failed =",
        "        self.ops[index].phase = Phase::Ended;\n        self.release(index);\n        let failed =",
        "--test apply",
    ),
]


def table() -> str:
    rows = ["| break | what goes wrong | noticed by |", "| --- | --- | --- |"]
    rows += [f"| `{one.name}` | {one.what} | `{one.tests}` |" for one in BREAKS]
    return "\n".join(rows)


def check() -> list[str]:
    problems = []
    for one in BREAKS:
        found = (ROOT / one.path).read_text().count(one.old)
        if found != 1:
            problems.append(f"{one.name}: its place stands {found} times in {one.path}")
    if table() not in (ROOT / "CONTRIBUTING.md").read_text():
        problems.append("the table in CONTRIBUTING.md is another one: write what --table prints")
    return problems


def cargo(copy: pathlib.Path, arguments: list[str]) -> subprocess.CompletedProcess:
    # Optimising costs more than these few tests take.
    settings = [f"profile.test.package.{name}.opt-level=0" for name in ("landfall-core", "landfall-aws", "landfall-k8s")]
    configs = [word for setting in settings for word in ("--config", setting)]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(CACHE / "target"), "INSTA_UPDATE": "no"}
    command = ["cargo", "test", "--quiet", "--workspace", *configs, *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=1800, check=False)


def tried(copy: pathlib.Path, one: Break) -> str | None:
    """Why the break went unnoticed; nothing when it was noticed."""
    file = copy / one.path
    whole = file.read_text()
    words = one.tests.split()
    build = words[: words.index("--")] if "--" in words else words[:2]
    try:
        file.write_text(whole.replace(one.old, one.new))
        built = cargo(copy, [*build, "--no-run"])
        if built.returncode != 0:
            return "it does not compile:\n" + built.stderr[-2000:]
        run = cargo(copy, words)
        return None if run.returncode != 0 else "no test fails"
    finally:
        file.write_text(whole)


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["--table"]:
        print(table())
        return 0
    problems = check()
    if arguments == ["--check"] or problems:
        print("\n".join(problems) or f"{len(BREAKS)} breaks find their places")
        return 1 if problems else 0
    chosen = [one for one in BREAKS if not arguments or one.name in arguments]
    unknown = set(arguments) - {one.name for one in chosen}
    if unknown:
        print(f"no such break: {', '.join(sorted(unknown))}")
        return 2
    copy = CACHE / "copy"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not copy.exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(copy)], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["git", "fetch", "--quiet", str(ROOT), head], cwd=copy, check=True)
    subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", head], cwd=copy, check=True)
    # A test that fails by itself would notice everything.
    for tests in sorted({one.tests for one in chosen}):
        if cargo(copy, tests.split()).returncode != 0:
            print(f"fails although nothing is broken: {tests}")
            return 1
    unnoticed = 0
    for one in chosen:
        why = tried(copy, one)
        unnoticed += why is not None
        print(f"{'UNNOTICED' if why else 'noticed'}\t{one.name}\t{one.what}" + (f": {why}" if why else ""), flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} breaks were noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
