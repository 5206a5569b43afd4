"""The README's commands are those that `.ci/run` runs, and its pages in both languages say the same."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_commands_of_the_readme_are_those_of_the_script():
    install, test = re.findall(r"^python3 -m venv .*", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    # The script measures the coverage too.
    lines = [line.removeprefix("part ").removesuffix(" --cov") for line in script.splitlines()]
    assert set(test.split(" && ")) <= set(lines)
    assert install.split(" && ")[0] in lines


def test_both_readmes_have_the_same_code_table_and_links():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    assert "](README.zh-CN.md)" in english
    assert "](README.md)" in chinese
    for kept in (r"```.*?```", r"<!-- results: begin.*results: end -->", r"^#+ ", r"^- ", r"\]\(docs/[^)]+\)"):
        found = re.findall(kept, english, re.DOTALL | re.MULTILINE)
        assert found
        assert re.findall(kept, chinese, re.DOTALL | re.MULTILINE) == found
    names, chinese_names = (set(re.findall(r"(?<!`)`([^`\s][^`]*)`(?!`)", text)) for text in (english, chinese))
    assert chinese_names == names
