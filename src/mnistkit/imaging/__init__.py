"""From any picture to the frame that a model was trained on; numpy, Pillow and OpenCV, no torch."""

from mnistkit.imaging.box import Box as Box
from mnistkit.imaging.canonical import WORK_SIDE as WORK_SIDE
from mnistkit.imaging.canonical import Stages as Stages
from mnistkit.imaging.canonical import frame_image as frame_image
from mnistkit.imaging.canonical import frame_in_stages as frame_in_stages
from mnistkit.imaging.canonical import frame_ink as frame_ink
from mnistkit.imaging.canonical import propose as propose
from mnistkit.imaging.digit import find_digit as find_digit
from mnistkit.imaging.folders import image_files as image_files
from mnistkit.imaging.folders import image_suffixes as image_suffixes
from mnistkit.imaging.ink import find_ink as find_ink
from mnistkit.imaging.ink import shrink as shrink
from mnistkit.imaging.load import MAX_PIXELS as MAX_PIXELS
from mnistkit.imaging.load import MAX_SIDE as MAX_SIDE
from mnistkit.imaging.load import images_in as images_in
from mnistkit.imaging.load import load_for_frame as load_for_frame
from mnistkit.imaging.load import load_image as load_image
from mnistkit.imaging.pieces import Piece as Piece
from mnistkit.imaging.pieces import find_lines as find_lines
from mnistkit.imaging.pieces import join as join
from mnistkit.imaging.pixels import to_numpy as to_numpy
from mnistkit.imaging.pixels import to_uint8 as to_uint8
from mnistkit.imaging.preprocessing import Framing as Framing
from mnistkit.imaging.preprocessing import Preprocessing as Preprocessing
