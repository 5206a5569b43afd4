"""Models: typed factories, the registry that knows them by name, and a layer-by-layer summary."""

from mnistkit.models.base import activation_layer as activation_layer
from mnistkit.models.base import list_activations as list_activations
from mnistkit.models.cnn import ConvNet as ConvNet
from mnistkit.models.cnn import convnet as convnet
from mnistkit.models.cnn import digit_cnn as digit_cnn
from mnistkit.models.cnn import example_cnn as example_cnn
from mnistkit.models.cnn import handwriting_cnn as handwriting_cnn
from mnistkit.models.fast import FastCNN as FastCNN
from mnistkit.models.fast import fast_cnn as fast_cnn
from mnistkit.models.layer_table import Summary as Summary
from mnistkit.models.layer_table import summary as summary
from mnistkit.models.lenet import LeNet as LeNet
from mnistkit.models.lenet import lenet1 as lenet1
from mnistkit.models.lenet import lenet4 as lenet4
from mnistkit.models.lenet import lenet5 as lenet5
from mnistkit.models.mlp import MLP as MLP
from mnistkit.models.mlp import mlp as mlp
from mnistkit.models.mlp import softmax_regression as softmax_regression
from mnistkit.models.registry import ModelSpec as ModelSpec
from mnistkit.models.registry import create_model as create_model
from mnistkit.models.registry import list_models as list_models
from mnistkit.models.registry import model_factory as model_factory
from mnistkit.models.registry import model_spec as model_spec
from mnistkit.models.registry import register_model as register_model
