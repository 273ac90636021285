"""The networks, ResNet-50 and GRU, and utilities to train and run them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
