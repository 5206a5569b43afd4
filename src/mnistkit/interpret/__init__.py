"""Looking into a model: what its layers compute, which pixels it answers by, what would change its answer."""

from mnistkit.interpret.attribution import grad_cam as grad_cam
from mnistkit.interpret.attribution import occlusion as occlusion
from mnistkit.interpret.attribution import saliency as saliency
from mnistkit.interpret.counterfactual import Edit as Edit
from mnistkit.interpret.counterfactual import smallest_edit as smallest_edit
from mnistkit.interpret.layers import activations as activations
from mnistkit.interpret.layers import convolutions as convolutions
from mnistkit.interpret.layers import embed as embed
from mnistkit.interpret.layers import kernels as kernels
from mnistkit.interpret.projection import project as project
