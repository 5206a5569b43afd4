"""What the page on evaluation shows runs as it is written."""

import re
from pathlib import Path

import mnistkit

PAGE = Path(__file__).parents[3] / "docs" / "evaluation.md"


def test_every_snippet_runs_one_after_the_other(small, tmp_path, monkeypatch, capsys):
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) == 8
    # The same lines on a few hundred real images.
    monkeypatch.setattr(mnistkit, "load_mnist", lambda: small)
    monkeypatch.chdir(tmp_path)
    names = {}
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json", "robustness.json"}
    assert names["foggy"].shape == names["tilted"].shape == (16, 1, 28, 28)
    output = capsys.readouterr().out
    for line in ("lenet5 on mnist test", "McNemar's test", "mean ", "zigzag ", "947 8 9"):
        assert line in output
