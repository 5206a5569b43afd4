"""Reading pictures with a trained model: one digit, many pictures, several digits in one picture."""

from mnistkit.predictor.explanation import Explanation as Explanation
from mnistkit.predictor.prediction import Prediction as Prediction
from mnistkit.predictor.predictor import Predictor as Predictor
from mnistkit.predictor.reading import ReadDigit as ReadDigit
from mnistkit.predictor.reading import Reading as Reading
