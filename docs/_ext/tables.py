"""Tables that are made from the package itself when a page is built."""

import inspect
import json

from measured import RESULTS, figure
from sphinx.util.docutils import SphinxDirective

from mnistkit import Classifier, create_model, summary
from mnistkit.data import dataset_info, list_datasets
from mnistkit.models import list_models, model_factory, model_spec
from mnistkit.training import Callback
from mnistkit.training.callback import HOOKS

HOSTILE = RESULTS.with_name("hostile.json")
# Which rows of benchmarks/results/accuracy.json are of a registered model as its factory makes it, on MNIST's test images.
MEASURED = {"lenet5": "train", "mlp": "t2b", "convnet": "t3", "digit_cnn": "t4"}


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


class Table(SphinxDirective):
    """A page in Markdown gets Markdown."""

    def run(self):
        self.env.note_dependency(str(RESULTS))
        return self.parse_text_to_nodes(self.text())


class ModelTable(Table):
    def text(self):
        results = json.loads(RESULTS.read_text(encoding="utf-8"))["results"]
        shipped = map(Classifier.pretrained, Classifier.list_pretrained())
        measured = {model: figure(results[row]) for model, row in MEASURED.items() if row in results}
        for classifier in shipped:
            if classifier.spec == model_spec(create_model(classifier.spec.name)):
                test = classifier.card.figures["mnist test"]
                measured.setdefault(classifier.spec.name, figure([[test["correct"], test["count"]]]))
        rows = []
        for name in list_models():
            layers = inspect.getdoc(model_factory(name)).splitlines()[0].rstrip(".")
            counted = summary(create_model(name))
            # The count is in a column of its own.
            layers = layers.split(": ")[0].split("; ")[0] if f"{counted.parameters:,}" in layers else layers
            link, accuracy = f"{{func}}`~mnistkit.models.{name}`", measured.get(name, "")
            rows.append([link, layers, f"{counted.parameters:,}", f"{counted.macs:,}", accuracy])
        return table(["name", "layers", "parameters", "multiply-adds", "accuracy on MNIST's test images"], rows)


class ModelCard(Table):
    required_arguments = 1

    def text(self):
        classifier = Classifier.pretrained(self.arguments[0])
        card = classifier.card
        rows = {
            "model": classifier.spec.name,
            "parameters": sum(parameter.numel() for parameter in classifier.network.parameters()),
            # The marks are for programs, to know the images again.
            "trained on": {name: value for name, value in card.data.items() if name != "marks"},
            "recipe": card.recipe,
            "seconds": card.seconds,
            "temperature": classifier.calibration.temperature,
            **card.figures,
            "limits": card.limits,
            "licence": card.licence,
        }
        return table(["", ""], [[key, self.shown(value)] for key, value in rows.items()])

    @staticmethod
    def shown(value):
        match value:
            case {"correct": int(correct), "count": int(count)}:
                return f"{correct:,} of {count:,}: {figure([[correct, count]])}"
            case dict():
                return "; ".join(f"{key}: {ModelCard.shown(entry)}" for key, entry in value.items())
            case [correct, count]:
                return f"{correct:,} of {count:,}"
            case float():
                return f"{value:.4g}"
            case int():
                return f"{value:,}"
        return value


class DatasetTable(Table):
    def text(self):
        rows = []
        for name in sorted(list_datasets(), key=lambda name: (name != "mnist", name)):
            info = dataset_info(name)
            where = "; in the package" if info.torchvision is None else ""
            rows.append([f"`{name}`", info.title + where, len(info.classes), info.licence, info.citation])
        return table(["name", "shows", "classes", "licence", "cite"], rows)


class HookTable(Table):
    def text(self):
        rows = [[f"`{hook}`", inspect.getdoc(getattr(Callback, hook)).splitlines()[0]] for hook in HOOKS]
        return table(["hook", "when it is called"], [[a, b.replace("``", "`")] for a, b in rows])


class HostileTable(Table):
    """A row for each kind: the sums of its runs, and the figure of the one that tried most."""

    def text(self):
        self.env.note_dependency(str(HOSTILE))
        rows = []
        for kind, kept in json.loads(HOSTILE.read_text(encoding="utf-8")).items():
            runs = kept["runs"]
            tried, failed = (sum(run[count] for run in runs) for count in ("tried", "failed"))
            when = "; ".join(f"{run['date']}, `{run['commit']}`" for run in runs)
            figure = max(runs, key=lambda run: run["tried"])["worst"]
            rows.append([f"`{kind}`", kept["what"], f"{tried:,}", failed, figure, when])
        return table(
            ["kind", "what happens", "tried", "failed", "figure of the longest", "when, on which commit"], rows
        )


def setup(app):
    app.add_directive("model-table", ModelTable)
    app.add_directive("model-card", ModelCard)
    app.add_directive("dataset-table", DatasetTable)
    app.add_directive("hook-table", HookTable)
    app.add_directive("hostile-table", HostileTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
