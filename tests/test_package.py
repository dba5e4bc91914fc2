"""What is shipped: the wheel's files, its dependencies, and the shape of the modules."""

import ast
import importlib.util
import io
import re
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from pathlib import Path

import pytest

import django_verify
from django_verify import contact
from docs import licences

PACKAGE = Path(django_verify.__file__).resolve().parent
ROOT = PACKAGE.parent
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "migrations" not in path.parts and path.stat().st_size
]
MIGRATIONS = sorted(PACKAGE.rglob("migrations/0*.py"))
CORE = {
    "django",
    "djangorestframework",
    "django-phonenumber-field",
    "requests",
    "cryptography",
}
TESTS = re.compile(r"(^|/)(tests?/|test_\w+\.py|conftest\.py)")
VAGUE = re.compile(r"utils?|helpers?|common|misc|managers?|base_?everything|services?_layer")

every_module = pytest.mark.parametrize(
    "path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES]
)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built in this process: nothing is downloaded."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, the build backend, is not installed")
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        yield archive


def shipped():
    """Every file of the package that a site needs: modules and data."""
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".po":
            yield path.relative_to(ROOT).as_posix()


def test_the_wheel_has_every_file_of_the_package(wheel):
    assert set(shipped()) <= set(wheel.namelist())


def test_the_wheel_has_nothing_but_the_package(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"django_verify", f"django_verify-{django_verify.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if TESTS.search(name) or name.endswith(".pyc")]


def test_the_wheel_asks_for_the_core_alone(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    required = [
        line.removeprefix("Requires-Dist: ")
        for line in text.splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    assert {re.split(r"[<>=~! ]", line)[0] for line in required} == CORE
    assert f"\nVersion: {django_verify.__version__}\n" in text


def test_the_package_has_its_data():
    files = set(shipped())
    assert "django_verify/py.typed" in files
    assert "django_verify/migrations/__init__.py" in files
    assert MIGRATIONS
    catalogues = {name for name in files if name.endswith("/LC_MESSAGES/messages.mo")}
    assert len(catalogues) == 42
    assert not [name for name in files if TESTS.search(name)]


def test_the_build_ships_the_package_and_what_git_might_ignore(project):
    build = project["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["packages"] == ["django_verify"]
    assert "*.mo" in build["artifacts"]
    assert project["build-system"]["build-backend"] == "hatchling.build"


def test_git_ignores_no_file_that_is_shipped():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    for pattern in ("*.mo", "*.html", "locale/", "templates/", "py.typed", "static/"):
        assert pattern not in ignored


def test_the_dependencies_are_the_core(project):
    required = project["project"]["dependencies"]
    assert {re.split(r"[<>=~! ]", name)[0] for name in required} == CORE


def test_an_extra_called_all_has_every_optional_library(project):
    extras = project["project"]["optional-dependencies"]
    optional = set(extras) - {
        "all", "dev", "docs", "lint", "example", "oracles", "phonenumberslite", "emulator",
        "mysql",  # what is compiled fails where there is no compiler
    }  # fmt: skip
    (line,) = extras["all"]
    assert set(re.search(r"\[(.*)\]", line)[1].split(",")) == optional


def libraries(extras, name):
    """Return what an extra installs, with the extras of ours that it names."""
    found = set()
    for line in extras[name]:
        if inner := re.match(r"django-verify\[(.*)\]", line):
            for other in inner[1].split(","):
                found |= libraries(extras, other)
        found.add(re.split(r"[<>=~!\[ ]", line)[0])
    return found


def test_no_extra_installs_two_owners_of_one_folder(project):
    extras = project["project"]["optional-dependencies"]
    owners = {"phonenumbers", "phonenumberslite"}
    for name in extras:
        assert len(libraries(extras, name) & owners) <= 1, name
    assert libraries(extras, "phonenumbers") == {"phonenumbers"}
    assert libraries(extras, "phonenumberslite") == {"phonenumberslite"}
    for name in ("all", "dev", "lint", "example"):
        assert libraries(extras, name) & owners, name


def test_the_install_line_names_the_library_for_numbers():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "pip install" in line]
    assert lines
    assert all("django-verify[phonenumbers" in line for line in lines)


WITHOUT = """
import sys
from importlib.machinery import PathFinder
import importlib.util as util

real = util.find_spec
util.find_spec = lambda name, *rest: None if name == "phonenumbers" else real(name, *rest)
sys.modules["phonenumbers"] = None
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "phonenumber_field", "django_verify"]
)
{line}
"""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("django.setup()", "django.core.exceptions.ImproperlyConfigured: "),
        ("import django_verify.contact.phones", "ImportError: "),
    ],
)
def test_a_missing_library_is_one_clear_sentence(line, error):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.replace("{line}", line)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == error + contact.MISSING


def asked(project):
    """Every line that names a library, but those of tests and of our own extras."""
    extras = project["project"]["optional-dependencies"]
    lines = project["project"]["dependencies"] + [
        line
        for name, of in extras.items()
        if name not in {"all", "dev", "lint", "example", "oracles"}
        for line in of
    ]
    return [line for line in lines if not line.startswith("django-verify")]


def test_nothing_but_django_has_an_upper_bound(project):
    """Its versions are tried before they are allowed; a host's other libraries are the host's."""
    assert [line for line in asked(project) if "<" in line] == ["django>=5.2,<6.2"]


def test_the_lowest_versions_are_read_for_the_cell_that_has_them(project):
    spec = importlib.util.spec_from_file_location("lowest", ROOT / ".ci/lowest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bounds = module.lowest(project["project"])
    names = {re.split(r"[<>=~!\[ ]", line)[0] for line in asked(project)}
    assert set(bounds) == names
    assert all(re.fullmatch(r"\d+(\.\d+)*", version) for version in bounds.values())
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "--constraint" in text
    assert re.search(r"^    side_by_side .* lowest$", text, re.MULTILINE)


def test_the_version_is_reported_once(project):
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", django_verify.__version__)
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "django_verify/__init__.py"


def test_the_licence_is_shipped(project):
    assert project["project"]["license"] == "BSD-3-Clause"
    for name in project["project"]["license-files"]:
        assert "Redistribution and use" in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["SECURITY.md", "README.md", ".ci/run"])
def test_the_supported_versions_are_the_same_everywhere(project, name):
    text = (ROOT / name).read_text(encoding="utf-8").replace("3.11–3.13", "3.11, 3.12, 3.13")
    classifiers = "\n".join(project["project"]["classifiers"])
    for version in re.findall(r":: (\d+\.\d+)$", classifiers, re.MULTILINE):
        assert re.search(rf"(?<![\d.]){re.escape(version)}(?!\d)", text), version


def test_the_hooks_before_a_commit_are_checks_of_make_lint():
    yaml = pytest.importorskip("yaml")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        check = hook["entry"].partition(".venv/bin/")[2].removesuffix(" --force-exclude")
        assert re.search(rf"'{check}( --check)?( \.)?'", makefile), hook["id"]


def loaded(name):
    """A script of `.ci`, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f".ci/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_library_has_its_licence_on_the_page(project):
    text = licences.PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \|", text, re.MULTILINE))
    names = {licences.canonical(re.split(r"[<>=~!\[ ]", line)[0]) for line in asked(project)}
    assert names <= set(rows)
    assert all(licence.strip() not in {"", "unknown"} for licence in rows.values())
    assert text.startswith(licences.HEAD), "run python -m docs.licences"


@pytest.mark.once
def test_what_comes_along_is_on_the_page_as_well():
    found = licences.closure("celery", "phonenumberslite")
    assert {"sqlparse", "certifi", "cffi", "billiard", "phonenumberslite"} <= set(found)
    assert found["django"].of == {"core"}
    assert found["vine"].of == {"celery"}
    assert found["certifi"].of == {"core"}
    assert "sqlparse" in found["django"].needs
    assert "boto3" not in found
    page = licences.page()
    assert all(f"| {name} | " in page for name in found)


@pytest.mark.once
def test_the_list_of_components(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    sbom = loaded("sbom")
    bill = sbom.bill("celery")
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "1970-01-02T00:00:00+00:00"
    own = bill["metadata"]["component"]
    assert own["purl"] == f"pkg:pypi/django-verify@{django_verify.__version__}"
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs)) == len(licences.closure("celery"))
    assert all(one["version"] and one["licenses"] for one in bill["components"])
    graph = {node["ref"]: node["dependsOn"] for node in bill["dependencies"]}
    assert set(graph) == {own["bom-ref"], *refs}
    assert {ref for needed in graph.values() for ref in needed} <= set(refs)
    direct = {ref.partition("/")[2].partition("@")[0] for ref in graph[own["bom-ref"]]}
    assert direct == CORE | {"celery", "kombu"}
    assert bill == sbom.bill("celery")
    ways = {name: sbom.component("x", "1", name) for name in ("MIT", "BSD", "MIT OR ISC")}
    assert ways["MIT"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert ways["BSD"]["licenses"] == [{"license": {"name": "BSD"}}]
    assert ways["MIT OR ISC"]["licenses"] == [{"expression": "MIT OR ISC"}]


def test_a_list_of_components_leaves_none_out(monkeypatch):
    sbom = loaded("sbom")
    missing = {"celery": licences.Library("celery")}
    monkeypatch.setattr(sbom.licences, "closure", lambda *extras: missing)
    with pytest.raises(SystemExit, match="Not installed: celery"):
        sbom.bill("celery")


def test_the_package_is_built_and_tried_in_ci():
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.search(r"^ +\"run Package .* package\"", text, re.MULTILINE)
    assert ".ci/package.py $(ARGS)" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "label"),
    [("users", "django_verify_users"), ("integrations/otp", "django_verify_otp")],
)
def test_a_model_of_an_optional_app_names_it(module, label):
    """Django takes an app that is not installed for a part of the one above it."""
    tree = ast.parse((PACKAGE / module / "models.py").read_text(encoding="utf-8"))
    models = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert models
    for model in models:
        (meta,) = [node for node in model.body if getattr(node, "name", "") == "Meta"]
        assert f"app_label = '{label}'" in ast.unparse(meta)


def test_no_address_is_invented(project):
    """A repository or a site of our own that does not exist."""
    assert "urls" not in project["project"]
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*"), *(ROOT / ".ci").glob("*")]
    for path in [*filter(Path.is_file, pages), *PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]:
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not re.search(
            r"(github|gitlab)\.(com|io)/django-verify|django-verify\.\w+/", text
        ), path


@every_module
def test_a_module_opens_with_a_sentence(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.split("\n\n")[0].endswith((".", ":"))


@every_module
def test_a_module_has_a_reporting_name(path):
    for part in path.relative_to(PACKAGE).with_suffix("").parts:
        assert not VAGUE.fullmatch(part)


@every_module
def test_an_import_inside_a_function_has_its_reason(path):
    source = path.read_text(encoding="utf-8")
    comments = {
        token.start[0]: token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    comment = comments.get(node.lineno, "")
                    assert re.search(r"noqa: [A-Z0-9, ]+ - \w+", comment), node.lineno


@pytest.mark.once
def test_a_release_ships_nothing_that_is_not_committed(tmp_path):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, the build backend, is not installed")
    script = loaded("package")
    assert script.changes(tmp_path) == set()
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert script.changes(tmp_path) == set()
    (tmp_path / "notes.md").touch()
    assert script.changes(tmp_path) == {"?? notes.md"}
