"""Reading without torch: what ONNX Runtime computes, from files that this library wrote.

The small distribution ``mnistkit-runtime`` has this, what reading needs, the weights that ship as ONNX files, and nothing else of
mnistkit.
"""

from mnistkit.runtime.classifier import OnnxClassifier as OnnxClassifier
from mnistkit.runtime.finder import OnnxFinder as OnnxFinder
from mnistkit.runtime.line_reader import OnnxLineReader as OnnxLineReader
