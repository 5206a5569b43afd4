"""Data: MNIST in the package, other sets by name, one's own pictures; batches and augmentation."""

from mnistkit.data.augment import Augment as Augment
from mnistkit.data.augment import PixelShift as PixelShift
from mnistkit.data.catalogue import DatasetInfo as DatasetInfo
from mnistkit.data.catalogue import dataset_info as dataset_info
from mnistkit.data.catalogue import list_datasets as list_datasets
from mnistkit.data.combining import concatenate as concatenate
from mnistkit.data.datasets import DIGITS as DIGITS
from mnistkit.data.datasets import DigitDataset as DigitDataset
from mnistkit.data.folders import from_folder as from_folder
from mnistkit.data.idx import read_idx as read_idx
from mnistkit.data.idx import write_idx as write_idx
from mnistkit.data.loaders import Augmentation as Augmentation
from mnistkit.data.loaders import CombinedLoader as CombinedLoader
from mnistkit.data.loaders import LoaderAdapter as LoaderAdapter
from mnistkit.data.loaders import TensorLoader as TensorLoader
from mnistkit.data.sources import Splits as Splits
from mnistkit.data.sources import cache_dir as cache_dir
from mnistkit.data.sources import load_dataset as load_dataset
from mnistkit.data.sources import load_mnist as load_mnist
from mnistkit.data.split_guard import overlap as overlap
from mnistkit.data.split_guard import refuse_test_images as refuse_test_images
from mnistkit.data.split_guard import require_dataset as require_dataset
from mnistkit.data.split_guard import sample_marks as sample_marks
from mnistkit.imaging import Framing as Framing
from mnistkit.imaging import Preprocessing as Preprocessing
