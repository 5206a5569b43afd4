"""Pictures of data, training, models and answers. Needs the extra ``plot``: ``pip install 'mnistkit[plot]'``.

Every function returns a matplotlib ``Figure``, its own or that of the axes it was given, and shows and saves nothing:
``plots.sample_grid(train).savefig("digits.png")``. None uses pyplot or changes matplotlib's settings.
"""

from mnistkit._core.style import Theme as Theme
from mnistkit.plots.answers import confusion_matrix as confusion_matrix
from mnistkit.plots.answers import embedding_map as embedding_map
from mnistkit.plots.answers import reliability_diagram as reliability_diagram
from mnistkit.plots.architecture import architecture as architecture
from mnistkit.plots.curves import Runs as Runs
from mnistkit.plots.curves import learning_rate_sweep as learning_rate_sweep
from mnistkit.plots.curves import training_curves as training_curves
from mnistkit.plots.explanations import attribution_maps as attribution_maps
from mnistkit.plots.explanations import smallest_edits as smallest_edits
from mnistkit.plots.functions import activation_functions as activation_functions
from mnistkit.plots.functions import softmax_bars as softmax_bars
from mnistkit.plots.functions import softmax_curves as softmax_curves
from mnistkit.plots.images import prediction_grid as prediction_grid
from mnistkit.plots.images import sample_grid as sample_grid
from mnistkit.plots.layers import feature_maps as feature_maps
from mnistkit.plots.layers import kernel_evolution as kernel_evolution
from mnistkit.plots.layers import kernels as kernels
from mnistkit.plots.layers import save_kernel_animation as save_kernel_animation
from mnistkit.plots.layers import weight_histograms as weight_histograms
