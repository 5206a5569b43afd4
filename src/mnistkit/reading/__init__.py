"""Reading pictures with a trained model: one digit, many pictures, several digits in one picture."""

from mnistkit.reading.explanation import Explanation as Explanation
from mnistkit.reading.prediction import Prediction as Prediction
from mnistkit.reading.predictor import Predictor as Predictor
from mnistkit.reading.reading import ReadDigit as ReadDigit
from mnistkit.reading.reading import Reading as Reading
from mnistkit.reading.reading import ReadSign as ReadSign
from mnistkit.reading.table import Table as Table
