"""What the documentation site makes of the pages, which are written to be read in a repository too.

Pages of other folders come into the site whole, and the lists of the index become its menus.
`python -m docs.site` lists the links that lead elsewhere.
"""

import os
import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
#: Pages of this site that stand elsewhere in the repository.
ELSEWHERE = {
    "benchmarks": "benchmarks/README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "vulnerabilities": "SECURITY.md",
}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([\w-]+)\.md\): (.+)$")


def prepared(name: str, text: str) -> str:
    """Return the source of one page, as Sphinx is to read it."""
    place = HERE / f"{name}.md"
    if name in ELSEWHERE:
        place = ROOT / ELSEWHERE[name]
        text = place.read_text(encoding="utf-8")
    if place.parent != HERE or "](../" in text:
        text = LINK.sub(lambda link: _within(link, place.parent), text)
    return text + _menus() if name == "index" else text


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """Return title, page and purpose of the entries of the index, by its headings."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    heading = ""
    for line in (HERE / "index.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif entry := ENTRY.match(line):
            title, page, purpose = entry.groups()
            found.setdefault(heading, []).append((title, page, purpose))
    return found


def outside() -> dict[str, list[str]]:
    """Return the addresses elsewhere that the pages lead to, each with the pages that do.

    No test opens them: look them through before a release.
    """
    found: dict[str, list[str]] = {}
    for page in [*ROOT.glob("*.md"), *HERE.glob("*.md")]:
        for _, target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in target:
                found.setdefault(target, []).append(page.name)
    return dict(sorted(found.items()))


def _menus() -> str:
    menus = [
        f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n"
        + "\n".join(page for _, page, _ in entries)
        + "\n```\n"
        for heading, entries in sections().items()
    ]
    return "\n" + "\n".join(menus)


def _within(link: re.Match[str], folder: Path) -> str:
    """Return a link as it leads within the site, or its text where the site has no such page."""
    text, target = link.groups()
    target, mark, anchor = target.partition("#")
    if not target or ":" in target:
        return link[0]
    place = Path(os.path.normpath(folder / target))
    pages = {ROOT / source: f"{name}.md" for name, source in ELSEWHERE.items()}
    pages |= {page: page.name for page in HERE.glob("*.md") if page.stem not in ELSEWHERE}
    pages[ROOT / "README.md"] = "index.md"
    return f"[{text}]({pages[place]}{mark}{anchor})" if place in pages else text


if __name__ == "__main__":
    print(*(f"{url}  {' '.join(pages)}" for url, pages in outside().items()), sep="\n")
